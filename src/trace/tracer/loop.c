// The ptrace loop: threads stop, are looked at, and go on.
#include "tracer.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

volatile bool snapshot_wanted;
static const char *snapshot_why;

bool seize(int app) {
  const long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                       PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP;
  return ptrace_raw(PTRACE_SEIZE, app, 0, (void *)options) == 0;
}

static void snapshot_of(struct thread *leader) {
  if (!leader->exiting && !leader->borrowed_memory) record_pages(leader->tid, leader->tgid, snapshot_why);
}

static void mark(const char *what) {
  event_begin("mark", 0);
  event_path("what", what);
  event_end();
}

// Asked for from outside when the program counts as ready. The file beside the trace tells that it is done.
static void ready_snapshot(void) {
  char done[PATH_MAX];
  snapshot_wanted = false;
  mark("ready");
  snapshot_why = "ready";
  thread_each_process(snapshot_of);
  mark("snapshot-done");
  snprintf(done, sizeof done, "%s.done", settings.output);
  int fd = open(done, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd >= 0) close(fd);
}

static void on_exec(struct thread *t) {
  unsigned long former = 0;
  ptrace_raw(PTRACE_GETEVENTMSG, t->tid, 0, &former);
  // Another thread than the first may exec: it takes over the first one's id, and its own vanishes.
  struct thread *asker = former && (int)former != t->tid ? thread_find((int)former) : t;
  char *asked = asker ? asker->path : 0;
  if (asker) asker->path = 0;
  if (t->running > 1 || asker != t) thread_drop_group(t);
  t->rule = 0;
  t->execed = true;
  t->borrowed_memory = t->exiting = false;
  t->running = 1;
  tracee_forget(t->tid);  // what was opened of its memory is the former program's
  record_exec(t, asked);
  free(asked);
}

static void on_new(struct thread *t, int event) {
  unsigned long child = 0;
  ptrace_raw(PTRACE_GETEVENTMSG, t->tid, 0, &child);
  if (!child) return;
  struct thread *c = thread_get((int)child);
  struct thread *parent = thread_find(t->tgid);
  c->announced = true;
  if (event == PTRACE_EVENT_VFORK && !c->execed) c->borrowed_memory = true;
  if (c->tid == c->tgid) {
    c->other = !parent || parent->other || other_namespace(c->tid);
    event_begin("fork", t->tgid);
    event_number("child", c->tid);
    event_end();
  }
  if (c->dead) thread_drop(c);
}

// The last moment at which a process still has its memory: when its first thread exits, or, where that one left
// early, its last. With the first process of a container all others end at once, so they are looked at as well.
static void on_exit_begin(struct thread *t, int app) {
  struct thread *leader = thread_find(t->tgid);
  if (!leader || t->exiting) return;
  leader->running--;
  if (t == leader || (leader->exiting && leader->running <= 0)) {
    if (!leader->borrowed_memory) record_pages(t->tid, t->tgid, "exit");
    if (t->tid == app) {
      t->exiting = true;
      snapshot_why = "exit";
      thread_each_process(snapshot_of);
    }
  }
  t->exiting = true;
}

static void on_end(struct thread *t, int status) {
  if (t->tid == t->tgid) {
    event_begin("exit", t->tgid);
    if (WIFEXITED(status)) event_number("code", WEXITSTATUS(status));
    else event_number("sig", WTERMSIG(status));
    event_end();
  } else if (!t->exiting) {
    struct thread *leader = thread_find(t->tgid);
    if (leader) leader->running--;
  }
  t->dead = true;
  if (t->announced) thread_drop(t);
}

// A call's entry or return. True when the return must be seen as well.
static bool on_call(struct thread *t, bool entry) {
  int64_t result = 0;
  switch (tracee_call(t, entry, &result)) {
    case CALL_BEGINS:
      record_entry(t);
      t->in_call = !settings.filter || (t->rule && ends_matter(t->rule->kind));
      break;
    case CALL_RETURNS:
      if (t->rule && ends_matter(t->rule->kind)) record_return(t, result);
      t->rule = 0;
      t->in_call = false;
      break;
    case CALL_UNKNOWN:
      t->in_call = false;
  }
  return t->in_call;
}

// A thread that was asked to stop after its call has done so.
static void on_result(struct thread *t) {
  int64_t result;
  t->result_wanted = false;
  if (t->rule && tracee_result(t->tid, &result)) record_return(t, result);
}

void trace_loop(int app, int listener) {
  struct thread *first = thread_get(app);
  first->tgid = app;
  first->announced = true;
  first->other = false;
  if (!settings.filter) ptrace_raw(PTRACE_INTERRUPT, app, 0, 0);
  for (;;) {
    int status;
    int tid = listener < 0 ? waitpid(-1, &status, __WALL) : listener_wait(listener, &status);
    if (snapshot_wanted) ready_snapshot();
    if (tid < 0) {
      if (errno == EINTR) continue;
      return;
    }
    struct thread *t = thread_find(tid);
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (t) on_end(t, status);
      if (tid == app) return;
      continue;
    }
    if (t && t->dead) thread_drop(t);  // its id is in use again
    t = thread_get(tid);
    const int signal = WSTOPSIG(status), event = status >> 16;
    long deliver = 0;
    switch (event) {
      case PTRACE_EVENT_SECCOMP:
        on_call(t, true);
        break;
      case PTRACE_EVENT_EXEC:
        on_exec(t);
        // With the filter on, nothing of this call is of interest any more; else its return is still to come.
        t->in_call = !settings.filter;
        break;
      case PTRACE_EVENT_FORK:
      case PTRACE_EVENT_VFORK:
      case PTRACE_EVENT_CLONE:
        on_new(t, event);
        break;
      case PTRACE_EVENT_EXIT:
        on_exit_begin(t, app);
        break;
      case PTRACE_EVENT_STOP:
        if (t->result_wanted) on_result(t);
        // A group stop (as by Ctrl-Z) lasts until SIGCONT; any other is a new thread's first stop.
        if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU) {
          ptrace_raw(PTRACE_LISTEN, tid, 0, 0);
          continue;
        }
        break;
      default:
        if (signal == (SIGTRAP | 0x80)) on_call(t, !t->in_call);
        else deliver = signal;
    }
    ptrace_raw(t->in_call || !settings.filter ? PTRACE_SYSCALL : PTRACE_CONT, tid, 0, (void *)deliver);
  }
}
