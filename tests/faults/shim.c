/* What a process does to its data folder, written down as it happens; a clock that can be set; death at a chosen act.
 *
 * Loaded with LD_PRELOAD. FAULT_FOLDER: the folder that is watched. FAULT_LOG: a file that records are appended to.
 * FAULT_CONTROL: a file of struct control, shared with the test. FAULT_MORTAL: this process may be killed by its acts.
 *
 * A record is a struct record, the path below the folder, then data. Kinds:
 *   C created   W written   T cut or grown to a length   S sync begins   E sync has ended   U unlinked   R renamed (data: to)
 *   A, N bytes given to a socket, few (an acknowledgement) or many; X died before an act of this kind; M a mark of the test's own
 * Each is one write(2) to a file opened with O_APPEND, so the order in the log is an order in which it can have happened:
 * what a test hears from the process (an acknowledgement) and marks, comes after what the process had done before.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct record {
    char kind;
    char zero;
    uint16_t path_size;
    uint32_t data_size;
    int64_t offset;
};

struct control {
    int64_t clock_ns; /* added to the wall clock */
    uint64_t left;    /* acts of that kind that a mortal process has left, the one before which it dies included; 0: no end */
    char kind;        /* W, T, S, U, R, A or N; 0: any act counts */
    char zero[3];
    int32_t error;    /* what the disk says to every write, sync and cut (errno); 0: it works */
};

#define FILES 1024 /* descriptors watched: a gateway has a few for its data, and some hundred sockets that are not */
#define FEW 16 /* bytes: what is shorter is a control character, not a message */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char *folder;
static size_t folder_size;
static int log_fd = -1;
static int mortal;
static struct control *control;
static char *watched[FILES];

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULT_CONTROL");
    folder = getenv("FAULT_FOLDER");
    mortal = getenv("FAULT_MORTAL") != NULL;
    if (folder == NULL || path == NULL || getenv("FAULT_LOG") == NULL) return;
    folder_size = strlen(folder);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, getenv("FAULT_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    void *shared = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0) syscall(SYS_close, fd);
    if (shared != MAP_FAILED) control = shared;
}

static void note(char kind, const char *path, int64_t offset, const void *data, size_t size) {
    if (log_fd < 0) return;
    int saved = errno;
    struct record record = {kind, 0, (uint16_t)strlen(path), (uint32_t)size, offset};
    struct iovec parts[3] = {{&record, sizeof record}, {(void *)path, record.path_size}, {(void *)data, size}};
    if (syscall(SYS_writev, log_fd, parts, data == NULL ? 2 : 3) < 0) _exit(97); /* a gap in the log would prove nothing */
    errno = saved;
}

/* One more act; the one that was chosen is never done. */
static void act(char kind) {
    if (!mortal || control == NULL || (control->kind != 0 && control->kind != kind)) return;
    uint64_t left = __atomic_load_n(&control->left, __ATOMIC_SEQ_CST);
    while (left != 0 && !__atomic_compare_exchange_n(&control->left, &left, left - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
    if (left == 1) {
        char what[2] = {kind, 0};
        note('X', what, 0, NULL, 0);
        syscall(SYS_kill, getpid(), SIGKILL);
        for (;;) pause();
    }
}

/* The path below the folder; NULL when it is elsewhere, or a lock or shared memory, which no power cut leaves. */
static const char *below(const char *path) {
    if (folder == NULL || strncmp(path, folder, folder_size) != 0) return NULL;
    if (path[folder_size] == 0) return ".";
    if (path[folder_size] != '/') return NULL;
    size_t size = strlen(path);
    return size > 4 && strcmp(path + size - 4, "-shm") == 0 ? NULL : path + folder_size + 1;
}

static const char *named(int fd) { return fd >= 0 && fd < FILES ? watched[fd] : NULL; }

static void forget(int fd) {
    if (fd >= 0 && fd < FILES && watched[fd] != NULL) {
        free(watched[fd]);
        watched[fd] = NULL;
    }
}

static int opened(int fd, int flags) {
    if (fd < 0 || fd >= FILES || folder == NULL) return fd;
    char link[64], path[PATH_MAX];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size < 0 ? 0 : size] = 0;
    const char *own = below(path);
    forget(fd);
    if (own != NULL) {
        watched[fd] = strdup(own);
        if (flags & O_CREAT) note('C', own, 0, NULL, 0);
        if (flags & O_TRUNC) note('T', own, 0, NULL, 0);
    }
    errno = saved;
    return fd;
}

static int open_with(int directory, const char *path, int flags, mode_t mode) {
    return opened((int)syscall(SYS_openat, directory, path, flags, mode), flags);
}

#define MODE(flags, mode)                            \
    mode_t mode = 0;                                 \
    if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list rest;                                \
        va_start(rest, flags);                       \
        mode = (mode_t)va_arg(rest, unsigned);       \
        va_end(rest);                                \
    }

int open(const char *path, int flags, ...) { MODE(flags, mode) return open_with(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, mode) return open_with(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags, mode) return open_with(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags, mode) return open_with(at, path, flags, mode); }

int close(int fd) {
    if (fd == log_fd && fd >= 0) return 0; /* who closes all descriptors does not mean this one */
    forget(fd);
    return (int)syscall(SYS_close, fd);
}

/* Whether the disk refuses; errno says how. */
static int refused(int fd) {
    if (control == NULL || control->error == 0 || named(fd) == NULL) return 0;
    errno = control->error;
    return 1;
}

static ssize_t written(int fd, const void *data, ssize_t size, int64_t offset) {
    if (size > 0 && named(fd) != NULL) note('W', named(fd), offset, data, (size_t)size);
    return size;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    if (refused(fd)) return -1;
    if (named(fd) != NULL) act('W');
    return written(fd, data, syscall(SYS_pwrite64, fd, data, size, offset), offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return pwrite(fd, data, size, offset); }

ssize_t write(int fd, const void *data, size_t size) {
    if (named(fd) == NULL) return syscall(SYS_write, fd, data, size);
    if (refused(fd)) return -1;
    act('W');
    ssize_t done = syscall(SYS_write, fd, data, size);
    return written(fd, data, done, done > 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) - done : 0);
}

int ftruncate(int fd, off_t size) {
    if (refused(fd)) return -1;
    if (named(fd) != NULL) act('T');
    int result = (int)syscall(SYS_ftruncate, fd, size);
    if (result == 0 && named(fd) != NULL) note('T', named(fd), size, NULL, 0);
    return result;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int posix_fallocate(int fd, off_t offset, off_t size) {
    if (refused(fd)) return errno;
    int result = REAL(posix_fallocate)(fd, offset, size);
    struct stat now;
    if (result == 0 && named(fd) != NULL && fstat(fd, &now) == 0) note('T', named(fd), now.st_size, NULL, 0);
    return result;
}
int posix_fallocate64(int fd, off64_t offset, off64_t size) { return posix_fallocate(fd, offset, size); }

static int synced(int fd, long call) {
    const char *path = named(fd);
    if (path == NULL) return (int)syscall(call, fd);
    if (refused(fd)) return -1;
    act('S');
    note('S', path, 0, NULL, 0);
    int result = (int)syscall(call, fd);
    if (result == 0) note('E', path, 0, NULL, 0);
    return result;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* Whoever has the file open writes to the file, not to the name: it is called `to` now, or (NULL) by no name at all. */
static void renamed(const char *from, const char *to) {
    for (int fd = 0; fd < FILES; fd++) {
        if (watched[fd] == NULL || strcmp(watched[fd], from) != 0) continue;
        forget(fd);
        if (to != NULL) watched[fd] = strdup(to);
    }
}

/* `path` as one below the folder; the processes here name their files by absolute paths. */
static int removed(const char *path, int result) {
    if (result != 0 || below(path) == NULL) return result;
    note('U', below(path), 0, NULL, 0);
    renamed(below(path), NULL);
    return result;
}
int unlink(const char *path) {
    if (below(path) != NULL) act('U');
    return removed(path, (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}
int unlinkat(int at, const char *path, int flags) {
    if (below(path) != NULL) act('U');
    return removed(path, (int)syscall(SYS_unlinkat, at, path, flags));
}
int remove(const char *path) {
    struct stat what;
    return lstat(path, &what) == 0 && S_ISDIR(what.st_mode) ? rmdir(path) : unlink(path);
}

int rename(const char *from, const char *to) {
    if (below(from) != NULL) act('R');
    int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (result != 0 || below(from) == NULL || below(to) == NULL) return result;
    note('R', below(from), 0, below(to), strlen(below(to)));
    renamed(below(to), NULL);
    renamed(below(from), below(to));
    return result;
}

/* Only what goes to devices and receivers: how often somebody asks for the status is no act of the gateway's. */
static int leaves_the_house(int fd) {
    int domain = 0;
    socklen_t size = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && (domain == AF_INET || domain == AF_INET6);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    if (mortal && leaves_the_house(fd)) {
        char kind = size < FEW ? 'A' : 'N';
        act(kind);
        note(kind, "", (int64_t)size, NULL, 0);
    }
    return syscall(SYS_sendto, fd, data, size, flags, NULL, 0);
}

static void shift(struct timespec *at) {
    if (control == NULL || control->clock_ns == 0) return;
    int64_t ns = (int64_t)at->tv_sec * 1000000000 + at->tv_nsec + control->clock_ns;
    at->tv_sec = ns / 1000000000;
    at->tv_nsec = ns % 1000000000;
}

int clock_gettime(clockid_t which, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) real = REAL(clock_gettime);
    int result = real(which, at);
    if (result == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) shift(at);
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at != NULL) *at = now.tv_sec;
    return now.tv_sec;
}
