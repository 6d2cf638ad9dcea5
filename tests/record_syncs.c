/* Keeps what fsync, fdatasync and msync have put on disk: a copy of each file or listing as it was when the call ended.
 *
 * Preloaded; RECORD_BELOW names the folder that is watched, RECORD_INTO where the copies go. There a line of "log" for
 * each: its number, "file" or "folder", the inode, and the path; the copy is the file of that number, of a folder a line
 * "inode name" for each entry.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int number;

static void keep(const char *path) {
    const char *below = getenv("RECORD_BELOW"), *into = getenv("RECORD_INTO");
    struct stat found;
    if (!below || !into || strncmp(path, below, strlen(below)) || stat(path, &found)) return;
    pthread_mutex_lock(&turn);
    char name[PATH_MAX];
    int is_folder = S_ISDIR(found.st_mode);
    snprintf(name, sizeof name, "%s/%d", into, ++number);
    FILE *copy = fopen(name, "w");
    if (is_folder) {
        DIR *folder = opendir(path);
        for (struct dirent *entry; (entry = readdir(folder));)
            if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) fprintf(copy, "%ju %s\n", (uintmax_t)entry->d_ino, entry->d_name);
        closedir(folder);
    } else {
        char page[65536];
        int from = open(path, O_RDONLY);
        for (ssize_t n; (n = read(from, page, sizeof page)) > 0;) fwrite(page, 1, n, copy);
        close(from);
    }
    fclose(copy);
    snprintf(name, sizeof name, "%s/log", into);
    FILE *log = fopen(name, "a");
    fprintf(log, "%d %s %ju %s\n", number, is_folder ? "folder" : "file", (uintmax_t)found.st_ino, path);
    fclose(log);
    pthread_mutex_unlock(&turn);
}

static void keep_descriptor(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = 0;
    keep(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int descriptor) {
    int failed = REAL(fsync)(descriptor);
    if (!failed) keep_descriptor(descriptor);
    return failed;
}

int fdatasync(int descriptor) {
    int failed = REAL(fdatasync)(descriptor);
    if (!failed) keep_descriptor(descriptor);
    return failed;
}

int msync(void *start, size_t length, int flags) {
    int failed = REAL(msync)(start, length, flags);
    FILE *maps = failed ? NULL : fopen("/proc/self/maps", "r");
    char line[PATH_MAX + 128], path[PATH_MAX];
    for (uintptr_t low, high; maps && fgets(line, sizeof line, maps);) {
        path[0] = 0;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %[^\n]", &low, &high, path) >= 2 &&
            low <= (uintptr_t)start && (uintptr_t)start < high)
            keep(path);
    }
    if (maps) fclose(maps);
    return failed;
}
