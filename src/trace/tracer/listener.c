// Calls that are announced by the kernel instead of stopping their thread for ptrace (seccomp_unotify(2)). The thread
// waits as well, but both sides are woken on one processor, in 5 µs; a ptrace stop wakes the tracer on an idle processor
// and then the thread on another, which in a virtual machine takes 75 µs.
#include "tracer.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// linux/seccomp.h of Linux 5.0, 5.5 and 6.6, which are younger than some headers.
struct notification {
  uint64_t id;
  uint32_t pid, flags;
  struct seccomp_data data;
};
struct answer {
  uint64_t id;
  int64_t result;
  int32_t error;
  uint32_t flags;
};
#define NOTIF_RECV _IOWR('!', 0, struct notification)
#define NOTIF_SEND _IOWR('!', 1, struct answer)
#define NOTIF_SET_FLAGS _IOW('!', 4, uint64_t)
enum { SYNC_WAKE_UP = 1, CONTINUE = 1 };

// A descriptor as SCM_RIGHTS, with one byte of text; none where `listener` is -1.
bool listener_send(int link, int listener) {
  char byte = 'l', room[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec text = {&byte, 1};
  struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
  if (listener >= 0) {
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &listener, sizeof listener);
  }
  return sendmsg(link, &message, MSG_NOSIGNAL) == 1;
}

// What wakes the tracer: the kernel announces a call, a traced thread has stopped or ended (SIGCHLD), or somebody asks
// for a snapshot. A signal that came between the last look and the wait would be slept over, so it jumps out of the wait;
// whether the wait had ended by then is told by the announcement, which has a number from then on.
static struct notification call;
static volatile sig_atomic_t stopped = true, waiting;
static sigjmp_buf before_wait;

void listener_wake(void) {
  if (waiting) siglongjmp(before_wait, 1);
}

static void let_signals_in(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
}

static void on_child(int signal) {
  (void)signal;
  stopped = true;
  listener_wake();
}

int listener_receive(int link) {
  char byte, room[CMSG_SPACE(sizeof(int))];
  struct iovec text = {&byte, 1};
  struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  int listener = -1;
  if (recvmsg(link, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS) return -1;
  memcpy(&listener, CMSG_DATA(header), sizeof listener);
  // Linux 6.6; before, a wake-up may end on another processor here too.
  ioctl(listener, NOTIF_SET_FLAGS, (uint64_t)SYNC_WAKE_UP);
  // One handler at a time: another that had not begun yet would be lost where this one jumps.
  struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART};
  sigaddset(&action.sa_mask, SIGUSR1);
  sigaction(SIGCHLD, &action, 0);
  let_signals_in();
  return listener;
}

static void serve(int listener) {
  struct thread *t = thread_get((int)call.pid);
#ifdef __x86_64__
  t->call.compat = call.data.arch == AUDIT_ARCH_I386;
#else
  t->call.compat = false;
#endif
  t->call.nr = call.data.nr;
  for (int i = 0; i < 6; i++) t->call.arg[i] = call.data.args[i];
  record_entry(t);
  // It cannot stop before the call, because it waits in it, and so does right after it.
  if (t->rule && t->rule->kind == OPEN && !record_foreseen(t))
    t->result_wanted = ptrace_raw(PTRACE_INTERRUPT, t->tid, 0, 0) == 0;
  struct answer answer = {.id = call.id, .flags = CONTINUE};
  while (ioctl(listener, NOTIF_SEND, &answer) && errno == EINTR) continue;
}

// Whether there is a call to look at. Without one a signal came first, or its thread has been killed meanwhile, or
// nobody has the filter any more: then it returns at once from now on.
static bool next_call(int listener) {
  memset(&call, 0, sizeof call);
  if (sigsetjmp(before_wait, 0) == 0) {
    waiting = true;
    if (!stopped && !snapshot_wanted) ioctl(listener, NOTIF_RECV, &call);
    waiting = false;
  } else {
    waiting = false;
    let_signals_in();  // the handler did not return, which would have done it
  }
  return call.id != 0;
}

static bool unused(int listener) {
  struct pollfd poll_of = {.fd = listener, .events = POLLIN};
  return poll(&poll_of, 1, 0) == 1 && !(poll_of.revents & POLLIN);
}

int listener_wait(int listener, int *status) {
  for (;;) {
    if (stopped) {
      stopped = false;
      int tid = waitpid(-1, status, __WALL | WNOHANG);
      if (tid) return stopped = true, tid;
    }
    if (snapshot_wanted) return errno = EINTR, -1;
    if (next_call(listener)) serve(listener);
    else if (!stopped && unused(listener)) return waitpid(-1, status, __WALL);
  }
}
