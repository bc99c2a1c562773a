// What an open is going to give, told at its beginning. A start opens thousands of files; to look the path up oneself
// takes microseconds, to wait for the call's end a second stop.
#include "tracer.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

bool other_namespace(int tid) {
  char own[64], its[64];
  return tracee_link(getpid(), "ns/mnt", own, sizeof own) < 0 || tracee_link(tid, "ns/mnt", its, sizeof its) < 0 ||
         strcmp(own, its) != 0;
}

static bool may_read(int fd, mode_t mode) {
  char name[32];
  if ((mode & 0444) == 0444) return true;
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  return access(name, R_OK) == 0;
}

// The file or folder that a path leads to, looked up and not opened: no file system sees it being opened. `straight` when
// there is no symbolic link on the way, so that the path is its own real one where it has no detours either.
static int look_up(const char *path, int flags, bool *straight) {
  static bool refused;  // by an older kernel or profile
  struct open_how how = {.flags = O_PATH | O_CLOEXEC | (unsigned)flags, .resolve = RESOLVE_NO_SYMLINKS};
  int fd = refused ? -1 : (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  *straight = fd >= 0 || (!refused && (errno == ENOENT || errno == ENOTDIR));
  if (*straight) return fd;
  refused = refused || errno == ENOSYS || errno == EPERM;
  // The call itself, because a C library's open() makes two of it.
  return (int)syscall(SYS_openat, AT_FDCWD, path, (int)how.flags);
}

static bool has_detours(const char *path) {
  const char *slash = path;
  for (; slash; slash = strchr(slash + 1, '/'))
    if (slash[1] == 0 || slash[1] == '/' || slash[1] == '.') return true;
  return false;
}

// Only where the answer is certain: the process is of the tracer's own user and sees the same files, and the path leads
// to a file or folder of the image that may be read, or to nothing. What /proc says differs from process to process, and
// devices, queues and sockets may refuse. `real` stays empty where it is the path itself.
bool foresee_open(const struct thread *t, char *real, size_t size, int *error) {
  const struct thread *leader = thread_find(t->tgid);
  struct stat st;
  bool straight;
  real[0] = 0;
  if (!leader || leader->other || t->nameless || t->path[0] != '/' || outside_image(t->path)) return false;
  int fd = look_up(t->path, (int)t->extra & (O_DIRECTORY | O_NOFOLLOW), &straight);
  *error = fd < 0 ? -errno : 0;
  if (fd < 0) return *error == -ENOENT || *error == -ENOTDIR;
  bool certain = fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) && may_read(fd, st.st_mode);
  if (certain && (!straight || has_detours(t->path)))
    certain = tracee_fd_path(getpid(), fd, real, size) > 0 && !outside_image(real);
  close(fd);
  return certain;
}
