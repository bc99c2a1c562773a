// From system calls to events.
#include "tracer.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

// The folder of the tracer and of its output, with a slash at the end.
static char own_folder[PATH_MAX];
// What the tracer's own process does between the filter and the program's exec is no part of the start.
static bool started;

bool outside_image(const char *path) {
  if (!own_folder[0]) {
    snprintf(own_folder, sizeof own_folder, "%s", settings.output);
    char *slash = strrchr(own_folder, '/');
    if (slash) slash[1] = 0;
  }
  const char *folders[] = {"/proc/", "/sys/", "/dev/", "/memfd:", own_folder};
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
    if (strncmp(path, folders[i], strlen(folders[i])) == 0) return true;
  return path[0] != '/';  // pipe:[…], socket:[…], anon_inode:…
}

static int64_t pair(uint64_t low, uint64_t high) { return (int64_t)((low & 0xffffffff) | high << 32); }

static int64_t iovec_sum(int tid, const struct call *call) {
  uint64_t count = call->arg[2], sum = 0;
  const size_t word = call->compat ? 4 : 8;
  if (count > 1024) return 0;  // UIO_MAXIOV: the call is going to fail
  for (uint64_t i = 0; i < count; i++) {
    uint64_t length = 0;
    if (tracee_read(tid, call->arg[1] + (2 * i + 1) * word, &length, word) < word) return -1;
    sum += length;
  }
  return (int64_t)sum;
}

static void read_event(struct thread *t, const char *path, int fd, int64_t offset, int64_t length) {
  event_begin("read", t->tgid);
  event_path("path", path);
  event_number("fd", fd);
  event_number("off", offset);
  event_number("len", length);
  event_end();
}

static void mmap_event(struct thread *t, const char *path, int fd) {
  const uint64_t *arg = t->call.arg;
  event_begin("mmap", t->tgid);
  event_path("path", path);
  event_number("fd", fd);
  // The i386 call counts its offset in units of 4096 bytes.
  event_number("off", (int64_t)(t->call.compat ? arg[5] * 4096 : arg[5]));
  event_number("len", (int64_t)arg[1]);
  event_number("prot", (int64_t)arg[2]);
  event_end();
}

// Nothing is read ahead where reads (through `fd`) or touches of a mapping (-1) are announced to come at random.
static void random_event(struct thread *t, const char *path, int fd) {
  event_begin("advise", t->tgid);
  event_path("path", path);
  event_path("how", "random");
  if (fd >= 0) event_number("fd", fd);
  event_end();
}

static void mark_event(struct thread *t, const char *what) {
  event_begin("mark", t->tgid);
  event_path("what", what);
  event_end();
}

// Calls that name an open file.
static void fd_entry(struct thread *t) {
  static char path[LONG_PATH];
  const struct call *call = &t->call;
  const uint64_t *arg = call->arg;
  const int fd = (int)arg[t->rule->dir];
  const int kind = t->rule->kind;
  if (fd < 0 || tracee_fd_path(t->tid, fd, path, sizeof path) < 0 || outside_image(path)) {
    t->rule = 0;
    return;
  }
  int64_t offset = 0;
  switch (kind) {
    case META:
      free(t->path);
      t->path = strdup(path);
      t->extra = 0;
      break;
    case LIST:
      event_begin("list", t->tgid);
      event_path("path", path);
      event_end();
      break;
    case READ:
    case READV:
      if (tracee_fd_position(t->tid, fd, &offset))
        read_event(t, path, fd, offset, kind == READ ? (int64_t)arg[2] : iovec_sum(t->tid, call));
      break;
    case PREAD:
      read_event(t, path, fd, call->compat ? pair(arg[3], arg[4]) : (int64_t)arg[3], (int64_t)arg[2]);
      break;
    case PREADV:
      offset = call->compat ? pair(arg[3], arg[4]) : (int64_t)arg[3];
      // preadv2 with -1 reads at the file's position.
      if (offset == -1 && !tracee_fd_position(t->tid, fd, &offset)) break;
      read_event(t, path, fd, offset, iovec_sum(t->tid, call));
      break;
    case READAHEAD:
      if (call->compat) read_event(t, path, fd, pair(arg[1], arg[2]), (int64_t)arg[3]);
      else read_event(t, path, fd, (int64_t)arg[1], (int64_t)arg[2]);
      break;
    case ADVISE: {
      const bool narrow = call->compat && call->nr == 250;  // fadvise64, whose length is a size_t there
      offset = call->compat ? pair(arg[1], arg[2]) : (int64_t)arg[1];
      int64_t length = narrow ? (int64_t)arg[3] : call->compat ? pair(arg[3], arg[4]) : (int64_t)arg[2];
      const uint64_t advice = arg[narrow ? 4 : call->compat ? 5 : 3];
      if (advice == POSIX_FADV_WILLNEED) read_event(t, path, fd, offset, length ? length : -1);
      if (advice == POSIX_FADV_RANDOM) random_event(t, path, fd);
      break;
    }
    case COPY: {  // the source's offset is given by a pointer, or is the file's position
      const bool sendfile = call->nr == (call->compat ? 187 : SYS_sendfile) || (call->compat && call->nr == 239);
      const uint64_t pointer = arg[t->rule->dir + 1];
      const size_t size = call->compat && call->nr == 187 ? 4 : 8;
      if (pointer ? tracee_read(t->tid, pointer, &offset, size) == size : tracee_fd_position(t->tid, fd, &offset))
        read_event(t, path, fd, offset, (int64_t)(sendfile ? arg[3] : arg[4]));
      break;
    }
    case MMAP:
      if (!(arg[3] & MAP_ANONYMOUS)) mmap_event(t, path, fd);
      break;
  }
}

// The port of an internet address, 0 for others.
static int port_of(int tid, uint64_t address) {
  unsigned char bytes[4];
  if (tracee_read(tid, address, bytes, 4) < 4) return 0;
  uint16_t family;
  memcpy(&family, bytes, 2);
  return family == AF_INET || family == AF_INET6 ? bytes[2] << 8 | bytes[3] : 0;
}

static int64_t open_flags(const struct thread *t) {
  uint64_t flags = 0;
  const struct call *call = &t->call;
  const long nr = t->rule->nr;
#ifdef SYS_open
  if (nr == SYS_open) return (int64_t)call->arg[1];
  if (nr == SYS_creat) return O_WRONLY | O_CREAT | O_TRUNC;
#endif
  if (nr == SYS_openat) return (int64_t)call->arg[2];
  tracee_read(t->tid, call->arg[2], &flags, sizeof flags);  // openat2: the first field of struct open_how
  return (int64_t)flags;
}

// Whether a call that changes a file means a symbolic link itself, and so copies no data up.
static bool link_itself(long nr, const uint64_t *arg) {
#ifdef SYS_lchown
  if (nr == SYS_lchown || nr == SYS_rename || nr == SYS_link) return true;
#endif
#ifdef SYS_renameat
  if (nr == SYS_renameat) return true;
#endif
  if (nr == SYS_renameat2 || nr == SYS_lsetxattr || nr == SYS_lremovexattr) return true;
  if (nr == SYS_linkat) return !(arg[4] & AT_SYMLINK_FOLLOW);
  if (nr == SYS_fchownat) return arg[4] & AT_SYMLINK_NOFOLLOW;
  return nr == SYS_utimensat && (arg[3] & AT_SYMLINK_NOFOLLOW);
}

static void path_entry(struct thread *t) {
  static char asked[PATH_MAX], full[LONG_PATH];
  const uint64_t *arg = t->call.arg;
  const uint64_t pointer = arg[t->rule->path];
  asked[0] = 0;  // a null path means the descriptor itself (utimensat)
  if (pointer && tracee_string(t->tid, pointer, asked, sizeof asked) < 0 && t->rule->kind != EXEC) asked[0] = 0;
  tracee_join(t->tid, t->rule->dir < 0 ? AT_FDCWD : (int)arg[t->rule->dir], asked, full, sizeof full);
  free(t->path);
  t->path = strdup(full);
  t->nameless = !asked[0];
  t->extra = 0;
  if (t->rule->kind == OPEN) t->extra = open_flags(t);
  if (t->rule->kind == META) t->extra = link_itself(t->rule->nr, arg);
  if (t->rule->kind == EXEC && started && !t->borrowed_memory) record_pages(t->tid, t->tgid, "exec");
}

static void madvise_entry(struct thread *t) {
  static char path[LONG_PATH];
  if (t->call.arg[2] == MADV_RANDOM && tracee_mapped_path(t->tid, t->call.arg[0], path, sizeof path))
    random_event(t, path, -1);
}

void record_entry(struct thread *t) {
  uint32_t words[3];
  t->rule = rule_of(&t->call);
  if (!t->rule || (!started && t->rule->kind != EXEC)) {
    t->rule = 0;
    return;
  }
  switch (t->rule->kind) {
    case BIND:
      t->extra = port_of(t->tid, t->call.arg[1]);
      if (!t->extra) t->rule = 0;
      return;
    case LISTEN:
      t->extra = (int64_t)t->call.arg[0];
      return;
    case SOCKETCALL:  // i386: bind is 2, listen is 4; the arguments lie in memory
      if (t->call.arg[0] != 2 && t->call.arg[0] != 4) return;
      if (tracee_read(t->tid, t->call.arg[1], words, sizeof words) < sizeof words) return;
      t->call.nr = t->call.arg[0] == 2 ? 361 : 363;
      for (int i = 0; i < 3; i++) t->call.arg[i] = words[i];
      record_entry(t);
      return;
    case MUNMAP:
      if (t->call.arg[1] >= LARGE_UNMAP)
        record_pages_within(t->tid, t->tgid, "munmap", t->call.arg[0], t->call.arg[0] + t->call.arg[1]);
      return;
    case MADVISE:
      madvise_entry(t);
      return;
    case USES_PTRACE:
      mark_event(t, "ptrace");
      return;
    case USES_RING:
      mark_event(t, "io_uring");
      return;
    case BECOME: {
      struct thread *leader = thread_find(t->tgid);
      if (leader) leader->other = true;
      return;
    }
    default:
      if (t->rule->path >= 0) path_entry(t);
      else fd_entry(t);
  }
}

static const char *name_of(int kind) {
  switch (kind) {
    case OPEN: return "open";
    case EXEC: return "exec";
    case META: return "meta";
    case STAT: return "stat";
    default: return "readlink";
  }
}

// `real`: where the kernel says a file is, empty where it does not; `fd`: -1 where it is not known.
static void path_event(struct thread *t, int kind, const char *real, int64_t error, int64_t fd) {
  if (outside_image(real[0] ? real : t->path)) return;
  event_begin(name_of(kind), t->tgid);
  event_path("path", t->path);
  if (real[0] && strcmp(real, t->path) != 0) event_path("real", real);
  if (error < 0) {
    event_number("ret", error);
  } else if (kind == META && t->extra) {
    event_number("nofollow", 1);
  } else if (kind == OPEN) {
    if (fd >= 0) event_number("fd", fd);
    if (t->extra & (O_ACCMODE | O_TRUNC | O_CREAT | O_DIRECTORY)) event_number("fl", t->extra);
  }
  event_end();
}

bool record_foreseen(struct thread *t) {
  static char real[LONG_PATH];
  int error;
  if (!foresee_open(t, real, sizeof real, &error)) return false;
  path_event(t, OPEN, real, error, -1);
  t->rule = 0;
  return true;
}

void record_return(struct thread *t, int64_t result) {
  static char real[LONG_PATH];
  const int kind = t->rule->kind;
  t->rule = 0;
  if (result <= -512 && result >= -516) return;  // ERESTARTSYS and its kind: the kernel makes the call again
  if (kind == BIND || kind == LISTEN) {
    int port = kind == BIND ? (int)t->extra : tracee_listening_port(t->tid, (int)t->extra);
    if (result < 0 || port < 0) return;
    if (kind == BIND) tracee_bound(t->tid, (int)t->call.arg[0], port);
    event_begin(kind == BIND ? "bind" : "listen", t->tgid);
    event_number("port", port);
    event_end();
    return;
  }
  if (kind == EXEC && result >= 0) return;  // written at the exec stop
  real[0] = 0;
  if (kind == OPEN && result >= 0) tracee_fd_path(t->tid, (int)result, real, sizeof real);
  path_event(t, kind, real, result < 0 ? result : 0, result);
}

// A program has been loaded: itself, and the interpreter that the kernel mapped beside it.
void record_exec(struct thread *t, const char *asked) {
  static char real[LONG_PATH], last[LONG_PATH], line[LONG_PATH + 200];
  char name[64];
  started = true;
  tracee_link(t->tid, "exe", real, sizeof real);
  if (asked && asked[0] != '/') asked = 0;
  if (!asked && !real[0]) {  // another user's program, and no CAP_SYS_PTRACE
    mark_event(t, "unreadable");
    return;
  }
  event_begin("exec", t->tgid);
  event_path("path", asked ? asked : real);
  if (real[0] && asked && strcmp(real, asked) != 0) event_path("real", real);
  event_end();
#ifndef __x86_64__
  if (tracee_is_32bit(t->tid)) mark_event(t, "32-bit");
#endif
  snprintf(name, sizeof name, "/proc/%d/maps", t->tid);
  FILE *maps = fopen(name, "re");
  last[0] = 0;
  while (maps && fgets(line, sizeof line, maps)) {
    char *path = strchr(line, '/');
    if (!path) continue;
    path[strcspn(path, "\n")] = 0;
    if (strcmp(path, real) == 0 || strcmp(path, last) == 0 || outside_image(path)) continue;
    snprintf(last, sizeof last, "%s", path);
    event_begin("interp", t->tgid);
    event_path("path", path);
    event_end();
  }
  if (maps) fclose(maps);
}
