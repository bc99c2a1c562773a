// The table of system calls that touch files, and the seccomp filter that stops a program at them and nowhere else.
#include "tracer.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Calls that are younger than some C libraries; their numbers are the same on all machines.
enum {
  NR_io_uring_setup = 425, NR_openat2 = 437, NR_faccessat2 = 439, NR_landlock_restrict_self = 446, NR_fchmodat2 = 452
};
// linux/seccomp.h of Linux 5.5 and 5.19
#define FILTER_NEW_LISTENER (1u << 3)
#define FILTER_WAIT_KILLABLE_RECV (1u << 5)
#define RET_USER_NOTIF 0x7fc00000u

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#define COMPAT AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif

// The second column holds i386's numbers (arch/x86/entry/syscalls/syscall_32.tbl).
static const struct rule rules[] = {
#ifdef __x86_64__
  {SYS_open, 5, OPEN, 1, -1, 0}, {SYS_creat, 8, OPEN, 1, -1, 0},
  {SYS_stat, 195, STAT, 3, -1, 0}, {SYS_lstat, 196, STAT, 3, -1, 0}, {SYS_access, 33, STAT, 3, -1, 0},
  {SYS_readlink, 85, READLINK, 3, -1, 0}, {SYS_getdents, 141, LIST, 3, 0, -1},
  {SYS_chmod, 15, META, 1, -1, 0}, {SYS_chown, 212, META, 1, -1, 0}, {SYS_lchown, 198, META, 1, -1, 0},
  {-1, 182, META, 1, -1, 0}, {-1, 16, META, 1, -1, 0},  // chown and lchown with 16-bit ids
  {SYS_rename, 38, META, 1, -1, 0}, {SYS_link, 9, META, 1, -1, 0}, {SYS_renameat, 302, META, 1, 0, 1},
  {SYS_utime, 30, META, 1, -1, 0}, {SYS_utimes, 271, META, 1, -1, 0}, {SYS_futimesat, 299, META, 1, 0, 1},
  {-1, 92, META, 1, -1, 0}, {-1, 412, META, 1, 0, 1},    // truncate with 32-bit sizes, utimensat with 64-bit times
  {-1, 192, MMAP, 2, 4, -1}, {-1, 250, ADVISE, 2, 0, -1},  // mmap2, fadvise64 with a 32-bit length
  {-1, 102, SOCKETCALL, 1, 0, -1}, {-1, 239, COPY, 2, 1, -1},  // sendfile64
#endif
  {SYS_openat, 295, OPEN, 1, 0, 1}, {NR_openat2, NR_openat2, OPEN, 1, 0, 1},
  {SYS_execve, 11, EXEC, 1, -1, 0}, {SYS_execveat, 358, EXEC, 1, 0, 1},
  {SYS_newfstatat, 300, STAT, 3, 0, 1}, {SYS_statx, 383, STAT, 3, 0, 1},
  {SYS_faccessat, 307, STAT, 3, 0, 1}, {NR_faccessat2, NR_faccessat2, STAT, 3, 0, 1},
  {SYS_readlinkat, 305, READLINK, 3, 0, 1}, {SYS_getdents64, 220, LIST, 3, 0, -1},
  {SYS_read, 3, READ, 2, 0, -1}, {SYS_readv, 145, READV, 2, 0, -1},
  {SYS_pread64, 180, PREAD, 2, 0, -1}, {SYS_preadv, 333, PREADV, 2, 0, -1}, {SYS_preadv2, 378, PREADV, 2, 0, -1},
  {SYS_readahead, 225, READAHEAD, 2, 0, -1}, {SYS_fadvise64, 272, ADVISE, 2, 0, -1},
  {SYS_sendfile, 187, COPY, 2, 1, -1}, {SYS_copy_file_range, 377, COPY, 2, 0, -1}, {SYS_splice, 313, COPY, 2, 0, -1},
  {SYS_mmap, -1, MMAP, 2, 4, -1}, {SYS_munmap, 91, MUNMAP, 2, -1, -1}, {SYS_madvise, 219, MADVISE, 2, -1, -1},
  // Overlay file systems copy a whole lower file up before these change it, and no read() shows.
  {SYS_truncate, 193, META, 1, -1, 0}, {SYS_fchmod, 94, META, 1, 0, -1}, {SYS_fchown, 207, META, 1, 0, -1},
  {SYS_fchmodat, 306, META, 1, 0, 1}, {NR_fchmodat2, NR_fchmodat2, META, 1, 0, 1}, {SYS_fchownat, 298, META, 1, 0, 1},
  {SYS_utimensat, 320, META, 1, 0, 1}, {SYS_renameat2, 353, META, 1, 0, 1}, {SYS_linkat, 303, META, 1, 0, 1},
  {SYS_setxattr, 226, META, 1, -1, 0}, {SYS_lsetxattr, 227, META, 1, -1, 0}, {SYS_fsetxattr, 228, META, 1, 0, -1},
  {SYS_removexattr, 235, META, 1, -1, 0}, {SYS_lremovexattr, 236, META, 1, -1, 0},
  {SYS_fremovexattr, 237, META, 1, 0, -1},
  // Readiness, and programs that want to trace for themselves.
  {SYS_bind, 361, BIND, 1, 0, -1}, {SYS_listen, 363, LISTEN, 1, 0, -1}, {SYS_ptrace, 26, USES_PTRACE, 1, -1, -1},
  {NR_io_uring_setup, NR_io_uring_setup, USES_RING, 1, -1, -1},  // the filter refuses it; without one it is told
  // From here on a process may open other files than the tracer, or find others under the same names.
  {SYS_setuid, 213, BECOME, 1, -1, -1}, {SYS_setreuid, 203, BECOME, 1, -1, -1}, {SYS_setresuid, 208, BECOME, 1, -1, -1},
  {SYS_setgid, 214, BECOME, 1, -1, -1}, {SYS_setregid, 204, BECOME, 1, -1, -1}, {SYS_setresgid, 210, BECOME, 1, -1, -1},
  {SYS_setfsuid, 215, BECOME, 1, -1, -1}, {SYS_setfsgid, 216, BECOME, 1, -1, -1},
  {SYS_setgroups, 206, BECOME, 1, -1, -1}, {SYS_capset, 185, BECOME, 1, -1, -1},
  {SYS_chroot, 61, BECOME, 1, -1, -1}, {SYS_pivot_root, 217, BECOME, 1, -1, -1},
  {SYS_unshare, 310, BECOME, 1, -1, -1}, {SYS_setns, 346, BECOME, 1, -1, -1},
  {NR_landlock_restrict_self, NR_landlock_restrict_self, BECOME, 1, -1, -1},
};
enum { RULES = sizeof rules / sizeof *rules };

const struct rule *rule_of(const struct call *call) {
  for (const struct rule *r = rules; r < rules + RULES; r++)
    if (r->level <= settings.level && (call->compat ? r->nr32 : r->nr) == call->nr && call->nr >= 0) return r;
  return 0;
}

bool ends_matter(int kind) {
  return kind == OPEN || kind == EXEC || kind == STAT || kind == READLINK || kind == META || kind == BIND ||
         kind == LISTEN;
}

static struct sock_filter program[512];
static unsigned short size;
// What the filter says of calls that need not be seen to their end.
static uint32_t announce;
static void add(uint16_t code, uint8_t yes, uint8_t no, uint32_t k) {
  program[size++] = (struct sock_filter){code, yes, no, k};
}
static void load(uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offset); }
static void skip_unless(uint16_t test, uint32_t k, uint8_t count) { add(BPF_JMP | test | BPF_K, 0, count, k); }
static void give(uint32_t action) { add(BPF_RET | BPF_K, 0, 0, action); }

// The argument with the flags of a call whose end can mostly be foreseen; -1 for the others.
static int open_flags_argument(const struct rule *r) {
#ifdef SYS_open
  if (r->nr == SYS_open) return 1;
#endif
  return r->nr == SYS_openat ? 2 : -1;
}

// With these flags, which say nothing about writing and creating, a file that is there is opened.
enum { PLAIN_OPEN = O_CLOEXEC | O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW | O_NOCTTY | O_LARGEFILE };

static void add_calls(bool compat) {
  load(offsetof(struct seccomp_data, nr));
  // Work done by io_uring passes no system call that could be watched. Programs fall back to ordinary calls, as they
  // do under the default profiles of Docker and Kubernetes, which forbid it.
  skip_unless(BPF_JEQ, NR_io_uring_setup, 1);
  give(SECCOMP_RET_ERRNO | ENOSYS);
  for (const struct rule *r = rules; r < rules + RULES; r++) {
    int nr = compat ? r->nr32 : r->nr;
    if (r->level > settings.level || nr < 0) continue;
    if (r->kind == MMAP) {  // only of files
      skip_unless(BPF_JEQ, (uint32_t)nr, 4);
      load(offsetof(struct seccomp_data, args[3]));
      skip_unless(BPF_JSET, MAP_ANONYMOUS, 1);
      give(SECCOMP_RET_ALLOW);
      give(announce);
    } else if (r->kind == MUNMAP) {  // only of large ranges (those over 4 GiB pass: they are reservations)
      skip_unless(BPF_JEQ, (uint32_t)nr, 4);
      load(offsetof(struct seccomp_data, args[1]));
      skip_unless(BPF_JGE, LARGE_UNMAP, 1);
      give(announce);
      give(SECCOMP_RET_ALLOW);
    } else if (r->kind == MADVISE) {  // allocators give memory back with it all the time
      skip_unless(BPF_JEQ, (uint32_t)nr, 4);
      load(offsetof(struct seccomp_data, args[2]));
      skip_unless(BPF_JEQ, MADV_RANDOM, 1);
      give(announce);
      give(SECCOMP_RET_ALLOW);
    } else if (r->kind == OPEN && !compat && open_flags_argument(r) >= 0) {
      skip_unless(BPF_JEQ, (uint32_t)nr, 4);
      load(offsetof(struct seccomp_data, args[open_flags_argument(r)]));
      skip_unless(BPF_JSET, ~(uint32_t)PLAIN_OPEN, 1);
      give(SECCOMP_RET_TRACE);
      give(announce);
    } else {
      skip_unless(BPF_JEQ, (uint32_t)nr, 1);
      give(ends_matter(r->kind) || r->kind == SOCKETCALL ? SECCOMP_RET_TRACE : announce);
    }
  }
  give(SECCOMP_RET_ALLOW);
}

static int install(uint32_t action, unsigned flags) {
  announce = action;
  size = 0;
  load(offsetof(struct seccomp_data, arch));
#ifdef COMPAT
  // The jump over the native part is filled in when its length is known; it exceeds the 255 of a conditional jump.
  add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE);
  unsigned short jump = size;
  add(BPF_JMP | BPF_JA, 0, 0, 0);
  add_calls(false);
  program[jump].k = (uint32_t)(size - jump - 1);
  load(offsetof(struct seccomp_data, arch));
  add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, COMPAT);
  give(SECCOMP_RET_ALLOW);
  add_calls(true);
#else
  // 32-bit programs are let through; record_exec says so in the trace.
  add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE);
  give(SECCOMP_RET_ALLOW);
  add_calls(false);
#endif
  struct sock_fprog filter = {size, program};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

int install_filter(bool quick, int *listener) {
  // Once the tracer has heard of a call only what kills the program ends its wait; kernels before 5.19 let signals do it.
  *listener = quick ? install(RET_USER_NOTIF, FILTER_NEW_LISTENER | FILTER_WAIT_KILLABLE_RECV) : -1;
  return *listener >= 0 ? 0 : install(SECCOMP_RET_TRACE, 0);
}
