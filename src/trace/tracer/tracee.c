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

// What has been opened of a thread's folder in /proc. A start asks there thousands of times, and mostly for one thread.
// The kernel gives what it is asked for anew at each look: such a file means whatever is open under its number by then.
struct descriptor {
  int number;
  int link, info;  // /proc/TID/fd/NUMBER itself and /proc/TID/fdinfo/NUMBER; -1 where they are not open
};
enum { FOLDERS = 16, DESCRIPTORS = 4 };
struct folder {
  int tid;  // 0: empty
  int folder, memory;
  struct descriptor descriptors[DESCRIPTORS];
};
static struct folder folders[FOLDERS + 1];

// The tracer's own has the last place for itself.
static struct folder *place_of(int tid) {
  static int own;
  if (!own) own = getpid();
  return &folders[tid == own ? FOLDERS : tid % FOLDERS];
}

static void close_descriptor(struct descriptor *d) {
  if (d->link >= 0) close(d->link);
  if (d->info >= 0) close(d->info);
  d->link = d->info = -1;
}

void tracee_forget(int tid) {
  struct folder *f = place_of(tid);
  if (f->tid != tid) return;
  for (int i = 0; i < DESCRIPTORS; i++) close_descriptor(&f->descriptors[i]);
  if (f->memory >= 0) close(f->memory);
  close(f->folder);
  f->tid = 0;
}

static struct folder *folder_of(int tid) {
  struct folder *f = place_of(tid);
  char name[32];
  if (f->tid == tid) return f;
  if (f->tid) tracee_forget(f->tid);
  snprintf(name, sizeof name, "/proc/%d", tid);
  f->folder = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (f->folder < 0) return 0;
  f->tid = tid;
  f->memory = -1;
  for (int i = 0; i < DESCRIPTORS; i++) f->descriptors[i] = (struct descriptor){0, -1, -1};
  return f;
}

static struct descriptor *descriptor_of(struct folder *f, int number) {
  struct descriptor *d = &f->descriptors[(unsigned)number % DESCRIPTORS];
  if (d->number != number) close_descriptor(d);
  d->number = number;
  return d;
}

// One piece that does not cross a page. The file is asked first because it is the faster one; security modules may
// refuse either. What neither gives (another user id) is read word by word, which only works while the thread is stopped.
static ssize_t read_piece(int tid, uint64_t address, void *buffer, size_t size) {
  struct folder *f = folder_of(tid);
  if (f && f->memory < 0) f->memory = openat(f->folder, "mem", O_RDONLY | O_CLOEXEC);
  ssize_t n = f && f->memory >= 0 ? pread(f->memory, buffer, size, (off_t)address) : -1;
  if (n > 0) return n;
  struct iovec local = {buffer, size}, remote = {(void *)(uintptr_t)address, size};
  n = process_vm_readv(tid, &local, 1, &remote, 1, 0);
  if (n > 0) return n;
  long word;
  const size_t skip = address & 7;
  if (ptrace_raw(PTRACE_PEEKDATA, tid, (void *)(uintptr_t)(address - skip), &word)) return -1;
  if (size > 8 - skip) size = 8 - skip;
  memcpy(buffer, (char *)&word + skip, size);
  return (ssize_t)size;
}

// Page by page, so that a string at the end of the last mapped page is read whole.
size_t tracee_read(int tid, uint64_t address, void *buffer, size_t size) {
  size_t got = 0;
  while (got < size) {
    size_t want = 4096 - ((address + got) & 4095);
    ssize_t n = read_piece(tid, address + got, (char *)buffer + got, want < size - got ? want : size - got);
    if (n <= 0) break;
    got += (size_t)n;
  }
  return got;
}

int tracee_string(int tid, uint64_t address, char *buffer, size_t size) {
  size_t got = 0;
  while (got < size - 1) {
    size_t want = size - 1 - got < 256 ? size - 1 - got : 256;
    size_t n = tracee_read(tid, address + got, buffer + got, want);
    if (memchr(buffer + got, 0, n)) return (int)strlen(buffer);
    got += n;
    if (n < want) break;
  }
  buffer[got] = 0;
  return got ? (int)got : -1;
}

int tracee_link(int tid, const char *name, char *buffer, size_t size) {
  const struct folder *f = folder_of(tid);
  ssize_t n = f ? readlinkat(f->folder, name, buffer, size - 1) : -1;
  buffer[n > 0 ? n : 0] = 0;
  return n > 0 ? (int)n : -1;
}

int tracee_fd_path(int tid, int fd, char *buffer, size_t size) {
  char name[24];
  struct folder *f = folder_of(tid);
  buffer[0] = 0;
  if (!f) return -1;
  struct descriptor *d = descriptor_of(f, fd);
  if (d->link < 0) {
    snprintf(name, sizeof name, "fd/%d", fd);
    d->link = openat(f->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    // Where the tracer may open no more files, by its name.
    if (d->link < 0) return tracee_link(tid, name, buffer, size);
  }
  ssize_t n = readlinkat(d->link, "", buffer, size - 1);
  buffer[n > 0 ? n : 0] = 0;
  return n > 0 ? (int)n : -1;
}

bool tracee_fd_position(int tid, int fd, int64_t *position) {
  char name[32], text[64];
  struct folder *f = folder_of(tid);
  if (!f) return false;
  struct descriptor *d = descriptor_of(f, fd);
  if (d->info < 0) {
    snprintf(name, sizeof name, "fdinfo/%d", fd);
    d->info = openat(f->folder, name, O_RDONLY | O_CLOEXEC);
  }
  ssize_t n = d->info < 0 ? -1 : pread(d->info, text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = 0;
  if (strncmp(text, "pos:", 4) != 0) return false;
  *position = strtoll(text + 4, 0, 10);
  return true;
}

// The absolute path that a call means; symbolic links stay as they are.
void tracee_join(int tid, int dirfd, const char *path, char *buffer, size_t size) {
  if (path[0] == '/') {
    const size_t length = strnlen(path, size - 1);
    memcpy(buffer, path, length);
    buffer[length] = 0;
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
