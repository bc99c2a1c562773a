// What an open is going to give, told at its beginning. A start opens thousands of files; to look the path up oneself
// takes microseconds, to wait for the call's end a second stop.
#include "tracer.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

// Only where the answer is certain: the process is of the tracer's own user and sees the same files, and the path leads
// to a file or folder of the image that may be read, or to nothing. What /proc says differs from process to process, and
// devices, queues and sockets may refuse.
bool foresee_open(const struct thread *t, char *real, size_t size, int *error) {
  const struct thread *leader = thread_find(t->tgid);
  struct stat st;
  real[0] = 0;
  if (!leader || leader->other || t->nameless || t->path[0] != '/' || outside_image(t->path)) return false;
  // O_PATH looks up and opens nothing: no file system sees a file being opened.
  int fd = open(t->path, O_PATH | O_CLOEXEC | ((int)t->extra & (O_DIRECTORY | O_NOFOLLOW)));
  *error = fd < 0 ? -errno : 0;
  if (fd < 0) return *error == -ENOENT || *error == -ENOTDIR;
  bool certain = fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) && may_read(fd, st.st_mode) &&
                 tracee_fd_path(getpid(), fd, real, size) > 0 && !outside_image(real);
  close(fd);
  return certain;
}
