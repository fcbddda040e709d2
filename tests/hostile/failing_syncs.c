/* Lets the next syncs of a journal fail: as many as the file named by
   SYNC_FAILURES has bytes. Each failure takes one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fails(int fd)
{
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 4 || memcmp(name + length - 4, "-wal", 4) != 0)
        return 0;
    const char *left = getenv("SYNC_FAILURES");
    struct stat facts;
    if (left == NULL || stat(left, &facts) != 0 || facts.st_size == 0)
        return 0;
    if (truncate(left, facts.st_size - 1) != 0)
        abort();
    errno = EIO;
    return 1;
}

int fsync(int fd)
{
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return fails(fd) ? -1 : next(fd);
}

int fdatasync(int fd)
{
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return fails(fd) ? -1 : next(fd);
}
