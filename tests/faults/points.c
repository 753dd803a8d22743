/* Counts the calls by which a program changes the machine, and strikes at the one it is told.
 *
 * Preloaded into pkglayer by points.py. The counter lies in a file shared by all threads and
 * processes of a run. At the point AT (and, with REPEAT, at every later one) the MODE is done:
 *   kill   SIGKILL to the run's first process and to the caller
 *   N      the signal N to the first process; the call goes on
 *   -E     the call fails with the errno E
 * With POINTS_TRACE every point is written down in that file, to see what a number stands for.
 * Static programs and calls within libc itself are not seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <sched.h>
#include <sys/uio.h>
#include <unistd.h>

struct shared {
    atomic_int count;
    int main_pid;
    int at;
    int repeat;
    int mode; /* 0: count, below 0: an errno, above: a signal */
    int second; /* this many points after the signal it comes again; 0: once */
    atomic_int hits;
    char what[256];
};

static struct shared *shared;
static int trace = -1;

__attribute__((constructor)) static void open_shared(void)
{
    const char *path = getenv("POINTS_FILE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *found = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (found == MAP_FAILED)
        return;
    const char *log = getenv("POINTS_TRACE");
    if (log)
        trace = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    shared = found;
    if (!shared->main_pid)
        shared->main_pid = getpid();
}

/* The errno to fail with, or 0 to let the call pass. */
static int strike(const char *name, const char *path, int can_fail)
{
    if (!shared)
        return 0;
    int number = atomic_fetch_add(&shared->count, 1) + 1;
    if (trace >= 0)
        dprintf(trace, "%d %d %s %s\n", number, getpid(), name, path ? path : "");
    int again = shared->second && number == shared->at + shared->second;
    if (number != shared->at && !again && !(shared->repeat && number > shared->at))
        return 0;
    if (shared->mode < 0 && !can_fail)
        return 0;
    if (shared->mode == -ENOSPC && (!strncmp(name, "unlink", 6) || strstr(name, "ch") ||
                                    !strcmp(name, "rmdir") || strstr(name, "mount")))
        return 0; /* giving back needs no space */
    if (atomic_fetch_add(&shared->hits, 1) == 0)
        snprintf(shared->what, sizeof shared->what, "%s %s", name, path ? path : "");
    if (shared->mode < 0)
        return -shared->mode;
    if (shared->mode > 0)
        kill(shared->main_pid, shared->mode);
    if (shared->mode == SIGKILL) {
        kill(getpid(), SIGKILL);
        pause();
    }
    return 0;
}

static int is_file(int fd)
{
    struct stat info;
    char link[32], target[16] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, target, sizeof target - 1) > 0 && !strncmp(target, "/memfd:", 7))
        return 0;
    return fd > 2 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

#define REAL(name) ((__typeof__(&name))real(#name, &real_##name))
static void *real(const char *name, void **kept)
{
    if (!*kept)
        *kept = dlsym(RTLD_NEXT, name);
    return *kept;
}

#define POINT(type, name, params, args, path, can_fail)     \
    static void *real_##name;                               \
    type name params                                        \
    {                                                       \
        int number = strike(#name, path, can_fail);         \
        if (number) {                                       \
            errno = number;                                 \
            return -1;                                      \
        }                                                   \
        return REAL(name) args;                             \
    }

/* As POINT, but only for what is written to files: pipes and terminals change nothing. */
#define FILE_POINT(type, name, params, args, fd)            \
    static void *real_##name;                               \
    type name params                                        \
    {                                                       \
        int number = is_file(fd) ? strike(#name, 0, 1) : 0; \
        if (number) {                                       \
            errno = number;                                 \
            return -1;                                      \
        }                                                   \
        return REAL(name) args;                             \
    }

FILE_POINT(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), fd)
FILE_POINT(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t where),
           (fd, data, size, where), fd)
FILE_POINT(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t where),
           (fd, data, size, where), fd)
FILE_POINT(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), fd)
FILE_POINT(ssize_t, sendfile, (int to, int from, off_t *where, size_t size),
           (to, from, where, size), to)
FILE_POINT(ssize_t, sendfile64, (int to, int from, off64_t *where, size_t size),
           (to, from, where, size), to)
FILE_POINT(ssize_t, copy_file_range,
           (int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags),
           (from, a, to, b, size, flags), to)
FILE_POINT(int, ftruncate, (int fd, off_t size), (fd, size), fd)
FILE_POINT(int, ftruncate64, (int fd, off64_t size), (fd, size), fd)
FILE_POINT(int, posix_fallocate, (int fd, off_t from, off_t size), (fd, from, size), fd)
POINT(int, fsync, (int fd), (fd), 0, 1)
POINT(int, fdatasync, (int fd), (fd), 0, 1)
POINT(int, syncfs, (int fd), (fd), 0, 1)
POINT(int, rename, (const char *from, const char *to), (from, to), to, 1)
POINT(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), to, 1)
POINT(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
      (a, from, b, to, flags), to, 1)
POINT(int, link, (const char *from, const char *to), (from, to), to, 1)
POINT(int, linkat, (int a, const char *from, int b, const char *to, int flags),
      (a, from, b, to, flags), to, 1)
POINT(int, unlink, (const char *path), (path), path, 1)
POINT(int, unlinkat, (int at, const char *path, int flags), (at, path, flags), path, 1)
POINT(int, rmdir, (const char *path), (path), path, 1)
POINT(int, mkdir, (const char *path, mode_t mode), (path, mode), path, 1)
POINT(int, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode), path, 1)
POINT(int, symlink, (const char *to, const char *path), (to, path), path, 1)
POINT(int, symlinkat, (const char *to, int at, const char *path), (to, at, path), path, 1)
POINT(int, mknod, (const char *path, mode_t mode, dev_t dev), (path, mode, dev), path, 1)
POINT(int, mknodat, (int at, const char *path, mode_t mode, dev_t dev), (at, path, mode, dev),
      path, 1)
POINT(int, chmod, (const char *path, mode_t mode), (path, mode), path, 1)
POINT(int, fchmod, (int fd, mode_t mode), (fd, mode), 0, 1)
POINT(int, fchmodat, (int at, const char *path, mode_t mode, int flags), (at, path, mode, flags),
      path, 1)
POINT(int, chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid), path, 1)
POINT(int, lchown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid), path, 1)
POINT(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), 0, 1)
POINT(int, fchownat, (int at, const char *path, uid_t uid, gid_t gid, int flags),
      (at, path, uid, gid, flags), path, 1)
POINT(int, setxattr, (const char *path, const char *name, const void *data, size_t size, int flags),
      (path, name, data, size, flags), path, 1)
POINT(int, fsetxattr, (int fd, const char *name, const void *data, size_t size, int flags),
      (fd, name, data, size, flags), name, 1)
POINT(int, mount,
      (const char *from, const char *to, const char *type, unsigned long flags, const void *data),
      (from, to, type, flags, data), to, 1)
POINT(int, umount2, (const char *path, int flags), (path, flags), path, 1)
POINT(int, unshare, (int flags), (flags), 0, 1)
POINT(pid_t, fork, (void), (), 0, 1)
POINT(int, execve, (const char *path, char *const *words, char *const *env), (path, words, env),
      path, 0)

/* Only opening that makes or empties a file changes anything. */
#define OPEN_POINT(name, params, args, path)                                  \
    static void *real_##name;                                                 \
    int name params                                                           \
    {                                                                         \
        mode_t mode = 0;                                                      \
        if (flags & (O_CREAT | O_TMPFILE)) {                                  \
            va_list rest;                                                     \
            va_start(rest, flags);                                            \
            mode = va_arg(rest, mode_t);                                      \
            va_end(rest);                                                     \
        }                                                                     \
        int writes = flags & (O_CREAT | O_TRUNC);                             \
        int number = writes ? strike(#name, path, 1) : 0;                     \
        if (number) {                                                         \
            errno = number;                                                   \
            return -1;                                                        \
        }                                                                     \
        return REAL(name) args;                                               \
    }

OPEN_POINT(open, (const char *path, int flags, ...), (path, flags, mode), path)
OPEN_POINT(open64, (const char *path, int flags, ...), (path, flags, mode), path)
OPEN_POINT(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode), path)
OPEN_POINT(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode), path)
