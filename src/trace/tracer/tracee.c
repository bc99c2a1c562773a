// Looking into a traced process: its memory, its links under /proc, the call it is stopped at.
#include "tracer.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// The raw call: PTRACE_PEEKDATA gives its word through the pointer and errors by the result.
long ptrace_raw(long request, long tid, void *address, void *data) {
  return syscall(SYS_ptrace, request, tid, address, data);
}

// One piece that does not cross a page, in place of process_vm_readv where a profile refuses that.
static ssize_t read_by_file(int tid, uint64_t address, void *buffer, size_t size) {
  char name[64];
  snprintf(name, sizeof name, "/proc/%d/mem", tid);
  int file = open(name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  ssize_t n = pread(file, buffer, size, (off_t)address);
  close(file);
  return n;
}

// Reads page by page, so that a string at the end of the last mapped page is read whole. What neither call nor file give
// (another user id) is read word by word, which only works while the thread is stopped.
size_t tracee_read(int tid, uint64_t address, void *buffer, size_t size) {
  size_t got = 0;
  while (got < size) {
    size_t want = 4096 - ((address + got) & 4095);
    if (want > size - got) want = size - got;
    struct iovec local = {(char *)buffer + got, want}, remote = {(void *)(uintptr_t)(address + got), want};
    ssize_t n = process_vm_readv(tid, &local, 1, &remote, 1, 0);
    if (n <= 0) n = read_by_file(tid, address + got, local.iov_base, want);
    if (n <= 0) {
      long word;
      unsigned shift = (unsigned)((address + got) & 7);
      if (ptrace_raw(PTRACE_PEEKDATA, tid, (void *)(uintptr_t)((address + got) & ~7ull), &word)) break;
      n = 8 - (ssize_t)shift;
      if ((size_t)n > size - got) n = (ssize_t)(size - got);
      memcpy((char *)buffer + got, (char *)&word + shift, (size_t)n);
    }
    got += (size_t)n;
  }
  return got;
}

int tracee_string(int tid, uint64_t address, char *buffer, size_t size) {
  size_t got = 0;
  while (got < size - 1) {
    size_t want = 256 - ((address + got) & 255);
    if (want > size - 1 - got) want = size - 1 - got;
    size_t n = tracee_read(tid, address + got, buffer + got, want);
    if (memchr(buffer + got, 0, n)) return (int)strlen(buffer);
    got += n;
    if (n < want) break;
  }
  buffer[got] = 0;
  return got ? (int)got : -1;
}

// What was opened last of a thread's folder in /proc. A start asks there thousands of times, and mostly for one thread.
struct folder {
  int tid;         // 0: empty
  int folder;      // /proc/TID
  int number, fd;  // the descriptor whose fdinfo is open, and as what; -1 where there is none
};
static struct folder folders[16];

void tracee_forget(int tid) {
  struct folder *f = &folders[tid % 16];
  if (f->tid != tid) return;
  close(f->folder);
  if (f->fd >= 0) close(f->fd);
  f->tid = 0;
}

static struct folder *folder_of(int tid) {
  struct folder *f = &folders[tid % 16];
  char name[32];
  if (f->tid == tid) return f;
  if (f->tid) tracee_forget(f->tid);
  snprintf(name, sizeof name, "/proc/%d", tid);
  f->folder = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (f->folder < 0) return 0;
  f->tid = tid;
  f->fd = -1;
  return f;
}

int tracee_link(int tid, const char *name, char *buffer, size_t size) {
  const struct folder *f = folder_of(tid);
  ssize_t n = f ? readlinkat(f->folder, name, buffer, size - 1) : -1;
  buffer[n > 0 ? n : 0] = 0;
  return n > 0 ? (int)n : -1;
}

int tracee_fd_path(int tid, int fd, char *buffer, size_t size) {
  char name[24];
  snprintf(name, sizeof name, "fd/%d", fd);
  return tracee_link(tid, name, buffer, size);
}

bool tracee_fd_position(int tid, int fd, int64_t *position) {
  char name[32], text[64];
  struct folder *f = folder_of(tid);
  if (!f) return false;
  // The kernel writes this file anew at each look, whatever is open under the number by then.
  if (f->fd < 0 || f->number != fd) {
    if (f->fd >= 0) close(f->fd);
    snprintf(name, sizeof name, "fdinfo/%d", fd);
    f->fd = openat(f->folder, name, O_RDONLY | O_CLOEXEC);
    f->number = fd;
  }
  ssize_t n = f->fd < 0 ? -1 : pread(f->fd, text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = 0;
  if (strncmp(text, "pos:", 4) != 0) return false;
  *position = strtoll(text + 4, 0, 10);
  return true;
}

// The absolute path that a call means; symbolic links stay as they are.
void tracee_join(int tid, int dirfd, const char *path, char *buffer, size_t size) {
  if (path[0] == '/') {
    snprintf(buffer, size, "%s", path);
    return;
  }
  int n = dirfd == AT_FDCWD ? tracee_link(tid, "cwd", buffer, size) : tracee_fd_path(tid, dirfd, buffer, size);
  if (n < 0) snprintf(buffer, size, "?/%s", path);
  else if (path[0]) snprintf(buffer + n, size - (size_t)n, "%s%s", n == 1 ? "" : "/", path);
}

// The sockets that were bound last, by what /proc calls them, which holds for duplicates and heirs as well.
static struct {
  char socket[32];
  int port;
} bound[16];

void tracee_bound(int tid, int fd, int port) {
  static unsigned next;
  unsigned slot = next++ % 16;
  tracee_fd_path(tid, fd, bound[slot].socket, sizeof bound[slot].socket);
  bound[slot].port = port;
}

// The TCP port that a descriptor listens on. Where the kernel chose it at listen(), or the socket came from elsewhere, it
// is looked up in the kernel's table, which takes milliseconds. -1 for other sockets.
int tracee_listening_port(int tid, int fd) {
  char text[300];
  if (tracee_fd_path(tid, fd, text, sizeof text) < 0 || strncmp(text, "socket:[", 8) != 0) return -1;
  for (int i = 0; i < 16; i++)
    if (strcmp(bound[i].socket, text) == 0) return bound[i].port;
  unsigned long wanted = strtoul(text + 8, 0, 10);
  const char *tables[] = {"tcp", "tcp6"};
  for (int i = 0; i < 2; i++) {
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/net/%s", tid, tables[i]);
    FILE *file = fopen(name, "re");
    int port = -1;
    while (file && fgets(text, sizeof text, file)) {
      unsigned number, state;
      unsigned long inode;
      if (sscanf(text, " %*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*u %*u %lu", &number, &state, &inode) == 3 &&
          state == 0x0a && inode == wanted)
        port = (int)number;
    }
    if (file) fclose(file);
    if (port >= 0) return port;
  }
  return -1;
}

// Registers, for kernels before 5.3. `entry` tells what kind of stop it is, which registers do not.
static bool call_from_registers(int tid, struct call *call, int64_t *result) {
  // Large enough for either machine; the kernel says how much it filled in, and so whether the program is 32-bit.
  union { uint64_t r64[40]; uint32_t r32[80]; } regs;
  struct iovec io = {&regs, sizeof regs};
  if (ptrace_raw(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &io)) return false;
#ifdef __x86_64__
  call->compat = io.iov_len == 17 * 4;
  if (call->compat) {  // struct user_regs_struct32: ebx ecx edx esi edi ebp eax ds es fs gs orig_eax
    for (int i = 0; i < 6; i++) call->arg[i] = regs.r32[i];
    call->nr = (int32_t)regs.r32[11];
    *result = (int32_t)regs.r32[6];
  } else {  // struct user_regs_struct: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax
    const int order[6] = {14, 13, 12, 7, 9, 8};
    for (int i = 0; i < 6; i++) call->arg[i] = regs.r64[order[i]];
    call->nr = (long)regs.r64[15];
    *result = (int64_t)regs.r64[10];
  }
#else
  call->compat = io.iov_len < 34 * 8;
  for (int i = 0; i < 6; i++) call->arg[i] = call->compat ? regs.r32[i] : regs.r64[i];
  call->nr = call->compat ? (long)regs.r32[7] : (long)regs.r64[8];
  *result = call->compat ? (int32_t)regs.r32[0] : (int64_t)regs.r64[0];
#endif
  return true;
}

bool tracee_is_32bit(int tid) {
  struct call call;
  int64_t result;
  return call_from_registers(tid, &call, &result) && call.compat;
}

bool tracee_result(int tid, int64_t *result) {
  struct call call;
  return call_from_registers(tid, &call, result);
}

// What the thread is stopped at. At an entry the call is stored in the thread; at a return its result is given.
// `entry` is what the caller expects, and is believed where the kernel cannot tell (before 5.3).
enum call_state tracee_call(struct thread *thread, bool entry, int64_t *result) {
  static bool old_kernel;
  struct ptrace_syscall_info info;
  memset(&info, 0, sizeof info);
  if (!old_kernel && !settings.registers &&
      ptrace_raw(PTRACE_GET_SYSCALL_INFO, thread->tid, (void *)sizeof info, &info) <= 0) {
    if (errno == ESRCH) return CALL_UNKNOWN;
    old_kernel = true;
  }
  if (old_kernel || settings.registers) {
    struct call call;
    if (!call_from_registers(thread->tid, &call, result)) return CALL_UNKNOWN;
    if (!entry) return CALL_RETURNS;
    thread->call = call;
    return CALL_BEGINS;
  }
#ifdef __x86_64__
  const bool compat = info.arch == AUDIT_ARCH_I386;
#else
  const bool compat = info.arch != AUDIT_ARCH_AARCH64;
#endif
  if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
    *result = info.exit.rval;
    return CALL_RETURNS;
  }
  thread->call.compat = compat;
  if (info.op == PTRACE_SYSCALL_INFO_SECCOMP) {
    thread->call.nr = (long)info.seccomp.nr;
    for (int i = 0; i < 6; i++) thread->call.arg[i] = info.seccomp.args[i];
    return CALL_BEGINS;
  }
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    thread->call.nr = (long)info.entry.nr;
    for (int i = 0; i < 6; i++) thread->call.arg[i] = info.entry.args[i];
    return CALL_BEGINS;
  }
  return CALL_UNKNOWN;
}
