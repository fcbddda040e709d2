/*
 * Stands between a program and the kernel: logs the calls that change files
 * below a folder, and makes one of them fail.
 *
 * It is loaded by LD_PRELOAD, but replaces no function of the C library: rustix
 * and others make system calls of their own. A seccomp filter turns each call
 * of interest into SIGSYS, whose handler makes the call in the program's place
 * and may fail it. The filter lets calls pass that come from `shim_syscall`.
 *
 * Settings, from the environment:
 *   SESSILE_SHIM_FOLDER  calls below this folder count; an absolute path
 *   SESSILE_SHIM_LOG     the log, a record a call; see `struct record`
 *   SESSILE_SHIM_DATA    set: the log holds what was written, too
 *   SESSILE_SHIM_AT      the call that fails, counted from 1
 *   SESSILE_SHIM_MODE    how it fails; see `enum mode`
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the filter reads addresses as little endian"
#endif

long shim_syscall(long number, long a, long b, long c, long d, long e, long f);
extern char shim_syscall_return[] __attribute__((visibility("hidden")));

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
__asm__(".text\n.globl shim_syscall\n.type shim_syscall, @function\n"
        "shim_syscall:\n"
        "mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\n"
        "mov %r8, %r10\nmov %r9, %r8\nmov 8(%rsp), %r9\nsyscall\n"
        ".globl shim_syscall_return\n.hidden shim_syscall_return\n"
        "shim_syscall_return:\nret\n");
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
__asm__(".text\n.globl shim_syscall\n.type shim_syscall, %function\n"
        "shim_syscall:\n"
        "mov x8, x0\nmov x0, x1\nmov x1, x2\nmov x2, x3\n"
        "mov x3, x4\nmov x4, x5\nmov x5, x6\nsvc #0\n"
        ".globl shim_syscall_return\n.hidden shim_syscall_return\n"
        "shim_syscall_return:\nret\n");
#else
#error "no such architecture here"
#endif

/* What a record of the log says; `tests/faults/shim.rs` knows the numbers, too. */
enum op {
    READY = 0,
    CREATE = 1,   /* open, and the file is new; without a path where it has no name */
    OPEN = 2,     /* open to write */
    LOOK = 3,     /* open to read */
    WRITE = 4,
    TRUNCATE = 5, /* `offset` is the new size */
    SYNC = 6,     /* of a file or folder */
    SYNC_ALL = 7, /* of a file system */
    RENAME = 8,   /* `path` to `other` */
    LINK = 9,     /* `ino` gets the name `path` */
    SYMLINK = 10, /* `path` leads to `other` */
    UNLINK = 11,
    RMDIR = 12,
    MKDIR = 13,
    OUT = 14,     /* written to standard output; not counted */
};

enum mode {
    EIO_ONCE = 1,
    NO_SPACE_ONCE = 2,
    HALF = 3,      /* half is written, and said so */
    FULL_FROM = 4, /* as HALF, then nothing more finds room */
    DEAD_FROM = 5, /* EIO of this and every later call */
};

struct record {
    uint32_t op;
    uint32_t number; /* 0: not counted */
    int32_t result;
    uint32_t injected;
    uint64_t ino;
    uint64_t offset;
    uint32_t path_len;
    uint32_t other_len;
    uint64_t data_len;
    /* then path, other and data */
};

struct call {
    struct record record;
    char path[4096];
    char other[4096];
    const char *data;
};

static char folder[4096];
static size_t folder_len;
static int log_fd = -1;
static int with_data;
static long fail_at;
static int fail_mode;
static long counted;
static atomic_flag lock = ATOMIC_FLAG_INIT;

static long call3(long number, long a, long b, long c) {
    return shim_syscall(number, a, b, c, 0, 0, 0);
}

static long call6(long number, const long *a) {
    return shim_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int is_below(const char *path) {
    return strncmp(path, folder, folder_len) == 0 &&
           (path[folder_len] == '/' || path[folder_len] == 0);
}

static char *append(char *at, const char *end, const char *text) {
    while (*text && at < end) *at++ = *text++;
    *at = 0;
    return at;
}

static void number_text(char *out, long number) {
    char digits[24];
    int n = 0;
    do digits[n++] = (char)('0' + number % 10); while (number /= 10);
    while (n) *out++ = digits[--n];
    *out = 0;
}

/* The path of what a descriptor stands for. */
static int path_of(long fd, char *out) {
    char link[64];
    if (fd == AT_FDCWD) {
        strcpy(link, "/proc/self/cwd");
    } else {
        if (fd < 0) return 0;
        strcpy(link, "/proc/self/fd/");
        number_text(link + 14, fd);
    }
    long n = shim_syscall(SYS_readlinkat, AT_FDCWD, (long)link, (long)out, 4095, 0, 0);
    if (n < 0) return 0;
    out[n] = 0;
    return 1;
}

static void resolve(long dir, const char *path, char *out) {
    if (path[0] == '/') {
        append(out, out + 4095, path);
    } else {
        char *end = out;
        if (path_of(dir, out)) end += strlen(out);
        end = append(end, out + 4095, "/");
        append(end, out + 4095, path);
    }
}

static int stat_at(long dir, const char *path, int flags, struct stat *found) {
    return (int)shim_syscall(SYS_newfstatat, dir, (long)path, (long)found, flags, 0, 0);
}

static void write_all(const void *bytes, size_t len) {
    const char *at = bytes;
    while (len) {
        long n = call3(SYS_write, log_fd, (long)at, (long)len);
        if (n <= 0) return;
        at += n;
        len -= (size_t)n;
    }
}

static void note(struct call *call) {
    struct record *record = &call->record;
    record->path_len = (uint32_t)strlen(call->path);
    record->other_len = (uint32_t)strlen(call->other);
    if (!call->data) record->data_len = 0;
    if (!with_data && record->op != OUT) call->data = NULL;
    uint64_t said = record->data_len;
    if (!call->data) record->data_len = 0;
    write_all(record, sizeof *record);
    write_all(call->path, record->path_len);
    write_all(call->other, record->other_len);
    if (call->data) write_all(call->data, said);
}

static int takes_space(uint32_t op) {
    return op == CREATE || op == WRITE || op == RENAME || op == LINK || op == SYMLINK || op == MKDIR;
}

/* What the call fails with, or 0. Half a write is `half`. */
static int fault(struct record *record, int *half) {
    record->number = (uint32_t)++counted;
    *half = 0;
    if (!fail_at || counted < fail_at) return 0;
    int first = counted == fail_at;
    switch (fail_mode) {
    case EIO_ONCE: return first ? EIO : 0;
    case NO_SPACE_ONCE: return first ? ENOSPC : 0;
    case DEAD_FROM: return EIO;
    case HALF: *half = first && record->op == WRITE; return 0;
    case FULL_FROM:
        *half = first && record->op == WRITE;
        return !*half && takes_space(record->op) ? ENOSPC : 0;
    }
    return 0;
}

/* Makes a counted call, unless it is to fail. */
static long counted_call(struct call *call, long number, const long *a) {
    int half;
    int err = fault(&call->record, &half);
    call->record.injected = err != 0;
    return err ? -err : call6(number, a);
}

static long do_open(long number, const long *a, long dir, const char *path, uint64_t flags) {
    struct call call = {0};
    struct stat found;
    resolve(dir, path, call.path);
    if (!is_below(call.path)) return call6(number, a);
    int is_new = (flags & O_TMPFILE) == O_TMPFILE ||
                 ((flags & O_CREAT) && stat_at(dir, path, AT_SYMLINK_NOFOLLOW, &found) != 0);
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    call.record.op = is_new ? CREATE : writes ? OPEN : LOOK;
    if ((flags & O_TMPFILE) == O_TMPFILE) call.path[0] = 0;
    long result = counted_call(&call, number, a);
    call.record.result = (int32_t)result;
    if (0 <= result && stat_at(result, "", AT_EMPTY_PATH, &found) == 0) call.record.ino = found.st_ino;
    note(&call);
    if (0 <= result && !is_new && (flags & O_TRUNC)) {
        call.record.op = TRUNCATE;
        call.record.number = 0;
        call.record.offset = 0;
        note(&call);
    }
    return result;
}

static int is_regular(long fd, struct stat *found) {
    return stat_at(fd, "", AT_EMPTY_PATH, found) == 0 && S_ISREG(found->st_mode);
}

/* The call is a write of one buffer: half of it is asked for, where half is to be written. */
static long write_maybe_half(struct call *call, long number, long *a) {
    int half;
    int err = fault(&call->record, &half);
    call->record.injected = err != 0 || half;
    if (err) return -err;
    if (half && (number == SYS_write || number == SYS_pwrite64) && 1 < a[2]) a[2] /= 2;
    return call6(number, a);
}

static void note_vectors(struct call *call, const struct iovec *vectors, long count, long written) {
    for (long n = 0; n < count && 0 < written; n++) {
        long len = (long)vectors[n].iov_len < written ? (long)vectors[n].iov_len : written;
        call->data = vectors[n].iov_base;
        call->record.data_len = (uint64_t)len;
        note(call);
        call->record.number = 0;
        call->record.offset += (uint64_t)len;
        written -= len;
    }
}

static long do_write(long number, long *a) {
    struct call call = {0};
    struct stat found;
    int is_out = a[0] == 1;
    if (!is_out && (!path_of(a[0], call.path) || !is_below(call.path) || !is_regular(a[0], &found)))
        return call6(number, a);
    int has_vectors = number != SYS_write && number != SYS_pwrite64;
    int has_place = number != SYS_write && number != SYS_writev;
    call.record.op = is_out ? OUT : WRITE;
    call.record.ino = is_out ? 0 : found.st_ino;
    long result = is_out ? call6(number, a) : write_maybe_half(&call, number, a);
    call.record.result = (int32_t)result;
    if (result <= 0) {
        note(&call);
        return result;
    }
    long offset = has_place ? a[3] : call3(SYS_lseek, a[0], 0, SEEK_CUR) - result;
    call.record.offset = (uint64_t)offset;
    if (has_vectors) {
        note_vectors(&call, (const struct iovec *)a[1], a[2], result);
    } else {
        call.data = (const char *)a[1];
        call.record.data_len = (uint64_t)result;
        note(&call);
    }
    return result;
}

/* Data that goes from file to file: read again from where it went. */
static long do_copy(long number, long *a, long to) {
    static char bytes[1 << 16];
    struct call call = {0};
    struct stat found;
    if (!path_of(to, call.path) || !is_below(call.path) || !is_regular(to, &found))
        return call6(number, a);
    call.record.op = WRITE;
    call.record.ino = found.st_ino;
    int placed = number == SYS_copy_file_range && a[3];
    long start = placed ? (long)*(int64_t *)a[3] : call3(SYS_lseek, to, 0, SEEK_CUR);
    long result = counted_call(&call, number, a);
    call.record.result = (int32_t)result;
    call.data = bytes;
    for (long done = 0; done < result;) {
        /* Through a name: the descriptor may be open for writing only. */
        char name[64] = "/proc/self/fd/";
        number_text(name + 14, to);
        long from = shim_syscall(SYS_openat, AT_FDCWD, (long)name, O_RDONLY | O_CLOEXEC, 0, 0, 0);
        long want = result - done < (long)sizeof bytes ? result - done : (long)sizeof bytes;
        long n = shim_syscall(SYS_pread64, from, (long)bytes, want, start + done, 0, 0);
        call3(SYS_close, from, 0, 0);
        if (n <= 0) break;
        call.record.offset = (uint64_t)(start + done);
        call.record.data_len = (uint64_t)n;
        note(&call);
        call.record.number = 0;
        done += n;
    }
    if (result <= 0) note(&call);
    return result;
}

static long do_fd(long number, long *a, enum op op, long size) {
    struct call call = {0};
    struct stat found;
    if (!path_of(a[0], call.path) || !is_below(call.path)) return call6(number, a);
    call.record.op = op;
    call.record.offset = (uint64_t)size;
    if (stat_at(a[0], "", AT_EMPTY_PATH, &found) == 0) call.record.ino = found.st_ino;
    long result = counted_call(&call, number, a);
    call.record.result = (int32_t)result;
    note(&call);
    return result;
}

static long do_path(long number, const long *a, enum op op, long dir, long path) {
    struct call call = {0};
    resolve(dir, (const char *)path, call.path);
    if (!is_below(call.path)) return call6(number, a);
    call.record.op = op;
    long result = counted_call(&call, number, a);
    call.record.result = (int32_t)result;
    note(&call);
    return result;
}

static long do_rename(long number, const long *a, long dir, long path, long to_dir, long to) {
    struct call call = {0};
    resolve(dir, (const char *)path, call.path);
    resolve(to_dir, (const char *)to, call.other);
    if (!is_below(call.path) && !is_below(call.other)) return call6(number, a);
    call.record.op = RENAME;
    long result = counted_call(&call, number, a);
    call.record.result = (int32_t)result;
    note(&call);
    return result;
}

static long do_link(long number, const long *a, long to_dir, long to) {
    struct call call = {0};
    struct stat found;
    resolve(to_dir, (const char *)to, call.path);
    if (!is_below(call.path)) return call6(number, a);
    call.record.op = LINK;
    long result = counted_call(&call, number, a);
    call.record.result = (int32_t)result;
    if (result == 0 && stat_at(to_dir, (const char *)to, AT_SYMLINK_NOFOLLOW, &found) == 0)
        call.record.ino = found.st_ino;
    note(&call);
    return result;
}

static long do_symlink(long number, const long *a, long target, long dir, long path) {
    struct call call = {0};
    resolve(dir, (const char *)path, call.path);
    if (!is_below(call.path)) return call6(number, a);
    append(call.other, call.other + 4095, (const char *)target);
    call.record.op = SYMLINK;
    long result = counted_call(&call, number, a);
    call.record.result = (int32_t)result;
    note(&call);
    return result;
}

static const int NUMBERS[] = {
    SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_copy_file_range, SYS_sendfile,
    SYS_fsync, SYS_fdatasync, SYS_syncfs, SYS_ftruncate, SYS_fallocate, SYS_openat,
    SYS_mkdirat, SYS_unlinkat, SYS_linkat, SYS_symlinkat, SYS_renameat2,
#ifdef SYS_openat2
    SYS_openat2,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_open
    SYS_open, SYS_creat, SYS_mkdir, SYS_unlink, SYS_rmdir, SYS_link, SYS_symlink, SYS_rename,
#endif
};

static long dispatch(long number, long *a) {
    const long cwd = AT_FDCWD;
    switch (number) {
    case SYS_write: case SYS_pwrite64: case SYS_writev: case SYS_pwritev: case SYS_pwritev2:
        return do_write(number, a);
    case SYS_copy_file_range: return do_copy(number, a, a[2]);
    case SYS_sendfile: return do_copy(number, a, a[0]);
    case SYS_fsync: case SYS_fdatasync: return do_fd(number, a, SYNC, 0);
    case SYS_syncfs: return do_fd(number, a, SYNC_ALL, 0);
    case SYS_ftruncate: return do_fd(number, a, TRUNCATE, a[1]);
    case SYS_fallocate: return -EOPNOTSUPP; /* every caller has to go without */
    case SYS_openat: return do_open(number, a, a[0], (const char *)a[1], (uint64_t)a[2]);
#ifdef SYS_openat2
    case SYS_openat2: return do_open(number, a, a[0], (const char *)a[1], *(uint64_t *)a[2]);
#endif
    case SYS_mkdirat: return do_path(number, a, MKDIR, a[0], a[1]);
    case SYS_unlinkat: return do_path(number, a, a[2] & AT_REMOVEDIR ? RMDIR : UNLINK, a[0], a[1]);
    case SYS_linkat: return do_link(number, a, a[2], a[3]);
    case SYS_symlinkat: return do_symlink(number, a, a[0], a[1], a[2]);
    case SYS_renameat2: return do_rename(number, a, a[0], a[1], a[2], a[3]);
#ifdef SYS_renameat
    case SYS_renameat: return do_rename(number, a, a[0], a[1], a[2], a[3]);
#endif
#ifdef SYS_open
    case SYS_open: return do_open(number, a, cwd, (const char *)a[0], (uint64_t)a[1]);
    case SYS_creat: return do_open(number, a, cwd, (const char *)a[0], O_CREAT | O_WRONLY | O_TRUNC);
    case SYS_mkdir: return do_path(number, a, MKDIR, cwd, a[0]);
    case SYS_unlink: return do_path(number, a, UNLINK, cwd, a[0]);
    case SYS_rmdir: return do_path(number, a, RMDIR, cwd, a[0]);
    case SYS_link: return do_link(number, a, cwd, a[1]);
    case SYS_symlink: return do_symlink(number, a, a[0], cwd, a[1]);
    case SYS_rename: return do_rename(number, a, cwd, a[0], cwd, a[1]);
#endif
    }
    return call6(number, a);
}

static void on_trap(int signal, siginfo_t *info, void *context) {
    (void)signal;
    mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
#if defined(__x86_64__)
    greg_t *r = machine->gregs;
    long a[6] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]};
#else
    unsigned long long *r = machine->regs;
    long a[6] = {(long)r[0], (long)r[1], (long)r[2], (long)r[3], (long)r[4], (long)r[5]};
#endif
    /* One at a time: the order in the log is the order in which things happened. */
    while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire)) call3(SYS_sched_yield, 0, 0, 0);
    long result = dispatch(info->si_syscall, a);
    atomic_flag_clear_explicit(&lock, memory_order_release);
#if defined(__x86_64__)
    r[REG_RAX] = result;
#else
    r[0] = (unsigned long long)result;
#endif
}

static int install(void) {
    enum { COUNT = sizeof NUMBERS / sizeof *NUMBERS };
    struct sock_filter code[COUNT + 16];
    uint64_t back = (uint64_t)(uintptr_t)shim_syscall_return;
    int n = 0;
    const uint32_t number_at = offsetof(struct seccomp_data, nr);
    const uint32_t arch_at = offsetof(struct seccomp_data, arch);
    const uint32_t from_at = offsetof(struct seccomp_data, instruction_pointer);
#define LOAD(at) (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define IF_EQUAL(value, yes, no) (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define RETURN(what) (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what)
    code[n++] = LOAD(arch_at);
    code[n++] = IF_EQUAL(ARCHITECTURE, 1, 0);
    code[n++] = RETURN(SECCOMP_RET_ALLOW);
    code[n++] = LOAD(number_at);
    for (int i = 0; i < COUNT; i++) code[n++] = IF_EQUAL((uint32_t)NUMBERS[i], (uint8_t)(COUNT - i), 0);
    code[n++] = RETURN(SECCOMP_RET_ALLOW);
    code[n++] = LOAD(from_at);
    code[n++] = IF_EQUAL((uint32_t)back, 0, 2);
    code[n++] = LOAD(from_at + 4);
    code[n++] = IF_EQUAL((uint32_t)(back >> 32), 1, 0);
    code[n++] = RETURN(SECCOMP_RET_TRAP);
    code[n++] = RETURN(SECCOMP_RET_ALLOW);
    struct sigaction action = {0};
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
    return sigaction(SIGSYS, &action, NULL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

__attribute__((constructor)) static void start(void) {
    const char *below = getenv("SESSILE_SHIM_FOLDER");
    const char *log = getenv("SESSILE_SHIM_LOG");
    const char *at = getenv("SESSILE_SHIM_AT");
    const char *mode = getenv("SESSILE_SHIM_MODE");
    if (!below || !log) return;
    append(folder, folder + sizeof folder - 1, below);
    folder_len = strlen(folder);
    with_data = getenv("SESSILE_SHIM_DATA") != NULL;
    fail_at = at ? atol(at) : 0;
    fail_mode = mode ? atoi(mode) : 0;
    log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    struct call ready = {.record = {.op = READY}};
    if (0 <= log_fd && install()) note(&ready);
}
