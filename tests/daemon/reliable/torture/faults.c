/* A library to preload into a process: makes calls on the files of one folder fail or hang.
 *
 * INSPECTD_FAULTS_FOLDER is the folder. INSPECTD_FAULTS_CONTROL is a file with a `struct control`, which the test reads
 * and writes while the process runs. Only calls of the C library are seen: SQLite and Rust's standard library use these.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* The kinds of calls, in the order of the test's list. */
enum kind { OPEN, READ, WRITE, SYNC, TRUNCATE, REMOVE, RENAME, MAKE_FOLDER, LOCK, STAT, MAP };

enum mode { OFF, FAIL, HANG };

struct control {
    _Atomic uint32_t mode;
    _Atomic uint32_t kinds;  /* bit mask of the kinds that are counted */
    _Atomic uint32_t error;  /* errno of a failing call */
    _Atomic uint32_t from;   /* the first counted call that fails or hangs, from 1 */
    _Atomic uint32_t number; /* how many of them */
    _Atomic uint32_t calls;  /* counted calls */
    _Atomic uint32_t hit;    /* calls that failed or hung */
};

static struct control *control;
static char folder[PATH_MAX];
static size_t folder_length;

#define FILES 65536
static _Atomic uint8_t inside[FILES];

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("INSPECTD_FAULTS_FOLDER");
    const char *file = getenv("INSPECTD_FAULTS_CONTROL");
    if (!path || !file || strlen(path) >= PATH_MAX)
        abort();
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int fd = real_open(file, O_RDWR | O_CLOEXEC);
    void *(*real_mmap)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, "mmap");
    void *shared = real_mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || shared == MAP_FAILED)
        abort();
    strcpy(folder, path);
    folder_length = strlen(path);
    control = shared;
}

static int is_inside(const char *path) {
    return control && path && strncmp(path, folder, folder_length) == 0;
}

static int fd_inside(int fd) { return control && fd >= 0 && fd < FILES && inside[fd]; }

/* Counts a call, and hangs if it must; returns whether it must fail. */
static int strikes(enum kind kind) {
    if (!(control->kinds & (1u << kind)))
        return 0;
    uint32_t call = atomic_fetch_add(&control->calls, 1) + 1;
    uint32_t mode = control->mode;
    if (mode == OFF || call < control->from || call - control->from >= control->number)
        return 0;
    atomic_fetch_add(&control->hit, 1);
    while (mode == HANG) {
        struct timespec pause = {0, 2000000};
        nanosleep(&pause, NULL);
        if (control->mode != HANG)
            return 0;
    }
    errno = (int)control->error;
    return 1;
}

#define REAL(type, name, ...)                             \
    static type (*real)(__VA_ARGS__);                     \
    if (!real)                                            \
        real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int note(int fd, int is_in) {
    if (fd >= 0 && fd < FILES)
        inside[fd] = (uint8_t)is_in;
    return fd;
}

#define OPENS(name, parameters, arguments, ...)           \
    int name parameters {                                 \
        REAL(int, #name, __VA_ARGS__);                    \
        va_list list;                                     \
        va_start(list, flags);                            \
        mode_t mode = va_arg(list, mode_t);               \
        va_end(list);                                     \
        int in = is_inside(path);                         \
        if (in && strikes(OPEN))                          \
            return -1;                                    \
        return note(real arguments, in);                  \
    }
OPENS(open, (const char *path, int flags, ...), (path, flags, mode), const char *, int, ...)
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode), const char *, int, ...)
OPENS(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode), int, const char *, int, ...)
OPENS(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode), int, const char *, int, ...)

int close(int fd) {
    REAL(int, "close", int);
    if (fd >= 0 && fd < FILES)
        inside[fd] = 0;
    return real(fd);
}

#define ON_FILE(kind, type, name, parameters, arguments, ...) \
    type name parameters {                                    \
        REAL(type, #name, __VA_ARGS__);                       \
        if (fd_inside(fd) && strikes(kind))                   \
            return -1;                                        \
        return real arguments;                                \
    }
ON_FILE(READ, ssize_t, read, (int fd, void *to, size_t size), (fd, to, size), int, void *, size_t)
ON_FILE(READ, ssize_t, pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at), int, void *, size_t, off_t)
ON_FILE(READ, ssize_t, pread64, (int fd, void *to, size_t size, off64_t at), (fd, to, size, at), int, void *, size_t, off64_t)
ON_FILE(WRITE, ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size), int, const void *, size_t)
ON_FILE(WRITE, ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), int, const void *, size_t, off_t)
ON_FILE(WRITE, ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at), int, const void *, size_t, off64_t)
ON_FILE(SYNC, int, fsync, (int fd), (fd), int)
ON_FILE(SYNC, int, fdatasync, (int fd), (fd), int)
ON_FILE(TRUNCATE, int, ftruncate, (int fd, off_t size), (fd, size), int, off_t)
ON_FILE(TRUNCATE, int, ftruncate64, (int fd, off64_t size), (fd, size), int, off64_t)
ON_FILE(STAT, int, fstat, (int fd, struct stat *to), (fd, to), int, struct stat *)
ON_FILE(STAT, int, fstat64, (int fd, struct stat64 *to), (fd, to), int, struct stat64 *)

#define ON_PATH(kind, name, parameters, arguments, ...)   \
    int name parameters {                                 \
        REAL(int, #name, __VA_ARGS__);                    \
        if (is_inside(path) && strikes(kind))             \
            return -1;                                    \
        return real arguments;                            \
    }
ON_PATH(REMOVE, unlink, (const char *path), (path), const char *)
ON_PATH(REMOVE, rmdir, (const char *path), (path), const char *)
ON_PATH(REMOVE, unlinkat, (int at, const char *path, int flags), (at, path, flags), int, const char *, int)
ON_PATH(RENAME, rename, (const char *path, const char *to), (path, to), const char *, const char *)
ON_PATH(MAKE_FOLDER, mkdir, (const char *path, mode_t mode), (path, mode), const char *, mode_t)
ON_PATH(STAT, stat, (const char *path, struct stat *to), (path, to), const char *, struct stat *)
ON_PATH(STAT, stat64, (const char *path, struct stat64 *to), (path, to), const char *, struct stat64 *)
ON_PATH(STAT, statx, (int at, const char *path, int flags, unsigned mask, struct statx *to), (at, path, flags, mask, to), int, const char *, int, unsigned, struct statx *)

#define LOCKS(name)                                       \
    int name(int fd, int command, ...) {                  \
        REAL(int, #name, int, int, ...);                  \
        va_list list;                                     \
        va_start(list, command);                          \
        void *argument = va_arg(list, void *);            \
        va_end(list);                                     \
        /* Unlocking does not fail. */                    \
        if (fd_inside(fd) && command == F_SETLK && ((struct flock *)argument)->l_type != F_UNLCK && strikes(LOCK)) \
            return -1;                                    \
        int result = real(fd, command, argument);         \
        if (command == F_DUPFD_CLOEXEC || command == F_DUPFD) \
            note(result, fd_inside(fd));                  \
        return result;                                    \
    }
LOCKS(fcntl)
LOCKS(fcntl64)

#define MAPS(name, offset_type)                                                          \
    void *name(void *at, size_t size, int protection, int flags, int fd, offset_type offset) { \
        REAL(void *, #name, void *, size_t, int, int, int, offset_type);                 \
        if (fd_inside(fd) && strikes(MAP))                                               \
            return MAP_FAILED;                                                           \
        return real(at, size, protection, flags, fd, offset);                            \
    }
MAPS(mmap, off_t)
MAPS(mmap64, off64_t)
