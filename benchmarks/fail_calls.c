/* Fails system calls on the files below one folder, in turn: preloaded into a process (LD_PRELOAD), and armed from
 * within it. What the C library calls inside itself is not seen; the interpreter, and an extension, come through here.
 *
 *   fail_arm(folder, calls, nth, how, forever)   from here on count the matching calls, and fail the nth; with
 *                                                forever all that follow too. calls is a list such as " open write ",
 *                                                empty for all of them
 *   fail_disarm(), fail_counted(), fail_fired()  stop; how many matched; how many failed
 *
 * how: an errno (5 EIO, 28 ENOSPC), or 0: write the first half only, or -1: kill -9 before the call, or -2: after it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHORT = 0, KILL_BEFORE = -1, KILL_AFTER = -2 };

static char folder[PATH_MAX], wanted[256];
static volatile int armed;
static int how, forever;
static long nth, counted, fired;

void fail_arm(const char *path, const char *calls, long which, int what, int on) {
    armed = 0;
    snprintf(folder, sizeof folder, "%s", path);
    snprintf(wanted, sizeof wanted, "%s", calls);
    nth = which, how = what, forever = on;
    counted = fired = 0;
    __sync_synchronize();
    armed = 1;
}

void fail_disarm(void) { armed = 0; }
long fail_counted(void) { return counted; }
long fail_fired(void) { return fired; }

static int below(const char *path) { return path && !strncmp(path, folder, strlen(folder)); }

static int open_below(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = 0;
    return n >= 0 && below(path);
}

/* Whether this call is one that is to fail. */
static int due(const char *call, int matches) {
    char name[64];
    snprintf(name, sizeof name, " %s ", call);
    if (!matches || (*wanted && !strstr(wanted, name))) return 0;
    if (how == SHORT && !strstr(" write pwrite ", name)) return 0;
    long n = __sync_add_and_fetch(&counted, 1);
    if (n != nth && !(forever && n > nth)) return 0;
    __sync_add_and_fetch(&fired, 1);
    if (how == KILL_BEFORE) kill(getpid(), SIGKILL);
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define BY_PATH(path) (armed && below(path))
#define BY_DESCRIPTOR(descriptor) (armed && open_below(descriptor))

/* FAIL(type, name, call, matches, parameters, arguments): a function that fails when it is due. */
#define FAIL(type, name, call, matches, parameters, arguments)            \
    type name parameters {                                                \
        if (due(call, matches)) {                                         \
            if (how > 0) return errno = how, (type)-1;                    \
            type result = REAL(name) arguments;                           \
            if (how == KILL_AFTER) kill(getpid(), SIGKILL);               \
            return result;                                                \
        }                                                                 \
        return REAL(name) arguments;                                      \
    }

#define FAIL_OPEN(name)                                                   \
    int name(const char *path, int flags, ...) {                          \
        va_list rest;                                                     \
        va_start(rest, flags);                                            \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                     \
        int failing = due("open", BY_PATH(path));                         \
        if (failing && how > 0) return errno = how, -1;                   \
        int descriptor = REAL(name)(path, flags, mode);                   \
        if (failing && how == KILL_AFTER) kill(getpid(), SIGKILL);        \
        return descriptor;                                                \
    }
FAIL_OPEN(open)
FAIL_OPEN(open64)

#define FAIL_OPENAT(name)                                                 \
    int name(int at, const char *path, int flags, ...) {                  \
        va_list rest;                                                     \
        va_start(rest, flags);                                            \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                     \
        int failing = due("open", armed && (*path == '/' ? below(path) : at != AT_FDCWD && open_below(at))); \
        if (failing && how > 0) return errno = how, -1;                   \
        int descriptor = REAL(name)(at, path, flags, mode);               \
        if (failing && how == KILL_AFTER) kill(getpid(), SIGKILL);        \
        return descriptor;                                                \
    }
FAIL_OPENAT(openat)
FAIL_OPENAT(openat64)

#define FAIL_WRITE(name, call, parameters, half, arguments)               \
    ssize_t name parameters {                                             \
        if (due(call, BY_DESCRIPTOR(fd))) {                               \
            if (how > 0) return errno = how, -1;                          \
            ssize_t result = how == SHORT && n > 1 ? REAL(name) half : REAL(name) arguments; \
            if (how == KILL_AFTER) kill(getpid(), SIGKILL);               \
            return result;                                                \
        }                                                                 \
        return REAL(name) arguments;                                      \
    }
FAIL_WRITE(write, "write", (int fd, const void *data, size_t n), (fd, data, n / 2), (fd, data, n))
FAIL_WRITE(pwrite, "pwrite", (int fd, const void *data, size_t n, off_t at), (fd, data, n / 2, at), (fd, data, n, at))
FAIL_WRITE(pwrite64, "pwrite", (int fd, const void *data, size_t n, off64_t at), (fd, data, n / 2, at), (fd, data, n, at))

FAIL(ssize_t, read, "read", BY_DESCRIPTOR(fd), (int fd, void *data, size_t n), (fd, data, n))
FAIL(ssize_t, pread, "pread", BY_DESCRIPTOR(fd), (int fd, void *data, size_t n, off_t at), (fd, data, n, at))
FAIL(ssize_t, pread64, "pread", BY_DESCRIPTOR(fd), (int fd, void *data, size_t n, off64_t at), (fd, data, n, at))
FAIL(int, fsync, "fsync", BY_DESCRIPTOR(fd), (int fd), (fd))
FAIL(int, fdatasync, "fsync", BY_DESCRIPTOR(fd), (int fd), (fd))
FAIL(int, ftruncate, "truncate", BY_DESCRIPTOR(fd), (int fd, off_t n), (fd, n))
FAIL(int, ftruncate64, "truncate", BY_DESCRIPTOR(fd), (int fd, off64_t n), (fd, n))
FAIL(int, truncate, "truncate", BY_PATH(path), (const char *path, off_t n), (path, n))
FAIL(int, truncate64, "truncate", BY_PATH(path), (const char *path, off64_t n), (path, n))
FAIL(int, fallocate, "allocate", BY_DESCRIPTOR(fd), (int fd, int mode, off_t at, off_t n), (fd, mode, at, n))
FAIL(int, fallocate64, "allocate", BY_DESCRIPTOR(fd), (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n))
FAIL(int, rename, "rename", BY_PATH(from), (const char *from, const char *to), (from, to))
FAIL(int, unlink, "unlink", BY_PATH(path), (const char *path), (path))
FAIL(int, mkdir, "mkdir", BY_PATH(path), (const char *path, mode_t mode), (path, mode))
FAIL(int, flock, "flock", BY_DESCRIPTOR(fd), (int fd, int what), (fd, what))
FAIL(void *, mmap, "mmap", fd >= 0 && BY_DESCRIPTOR(fd), (void *a, size_t n, int p, int f, int fd, off_t at), (a, n, p, f, fd, at))
FAIL(void *, mmap64, "mmap", fd >= 0 && BY_DESCRIPTOR(fd), (void *a, size_t n, int p, int f, int fd, off64_t at), (a, n, p, f, fd, at))
FAIL(int, msync, "msync", armed, (void *start, size_t n, int flags), (start, n, flags))

/* These two give the error back instead of setting errno. */
#define FAIL_ALLOCATE(name, offset)                                       \
    int name(int fd, offset at, offset n) {                               \
        int failing = due("allocate", BY_DESCRIPTOR(fd));                 \
        if (failing && how > 0) return how;                               \
        int result = REAL(name)(fd, at, n);                               \
        if (failing && how == KILL_AFTER) kill(getpid(), SIGKILL);        \
        return result;                                                    \
    }
FAIL_ALLOCATE(posix_fallocate, off_t)
FAIL_ALLOCATE(posix_fallocate64, off64_t)
