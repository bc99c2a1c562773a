// The startup tracer: watches which bytes of which files a program and its children ask for, and writes
// one JSON object per line (docs/trace-format.md). See main.c for how it is started.
#pragma once
#define _GNU_SOURCE
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A path with room for a folder before it: what a program may pass (PATH_MAX) joined to its working directory.
#define LONG_PATH (2 * PATH_MAX)

struct settings {
  const char *output;  // the trace file
  int level;           // 1: open and exec, 2: + read and mmap, 3: + stat, readlink and getdents
  bool pages;          // read page maps
  bool filter;         // stop only at the calls of the table, by a seccomp filter; else at every call
  bool registers;      // as on old kernels: no listener, and calls are read from registers (for tests)
  bool keep_setuid;    // install the filter by CAP_SYS_ADMIN instead of no_new_privs
  bool time_only;      // do not trace: note the clock and the ports that are listened on
};
extern struct settings settings;

// ---- output.c: the trace file. An event is begun, gets its fields, and is ended; nothing is kept back.
bool output_open(const char *file);
void event_begin(const char *op, int pid);
void event_number(const char *key, int64_t value);
void event_path(const char *key, const char *path);  // adds KEY_b64 where the path is not UTF-8
void event_text(const char *text);                   // raw JSON
size_t event_room(void);                             // bytes that still fit into this event
void event_end(void);
void header_write(int app, int tracer, const char *mode);

// ---- calls.c: which system calls matter.
enum kind {
  OPEN = 1, EXEC, STAT, READLINK, LIST, READ, PREAD, READV, PREADV, READAHEAD, ADVISE, COPY,
  MMAP, MUNMAP, MADVISE, META, BIND, LISTEN, SOCKETCALL, USES_PTRACE, USES_RING, BECOME,
};
struct rule {
  int nr, nr32;      // number of the call for this machine and for its 32-bit programs; -1: there is none
  uint8_t kind, level;
  int8_t dir, path;  // which arguments are the descriptor (-1: the working directory) and the path (-1: none)
};
struct call {
  bool compat;  // made by a 32-bit program
  long nr;
  uint64_t arg[6];
};
const struct rule *rule_of(const struct call *call);
// Without stops where it can be: then `*listener` is where the calls are announced (listener.c), else -1. 0, or -1.
int install_filter(bool quick, int *listener);
bool ends_matter(int kind);  // whether the event is written when the call returns, with its result

// munmap of at least this much is looked at before it happens: what was touched there would be forgotten.
#define LARGE_UNMAP (1 << 20)

// ---- threads.c: what is known of each traced thread.
struct thread {
  int tid, tgid;
  bool in_call;          // between entry and return of a call that we follow
  bool borrowed_memory;  // a vfork child before its exec: its pages are its parent's
  bool exiting;
  bool execed;           // a vfork child that has memory of its own again
  bool announced;        // its parent's event has been seen; events may arrive in either order
  bool dead;             // has ended before it was announced
  bool result_wanted;    // it was asked to stop once the call it is in has ended
  bool nameless;         // the path of its call is empty or cannot be read
  // Of a thread group's leader:
  int running;           // threads that have not begun to exit
  bool other;            // what it may open, or where paths lead for it, need not be as for the tracer; until announced
  const struct rule *rule;
  struct call call;
  int64_t extra;         // open flags, or the port of a bind
  char *path;            // of the call, owned
  struct thread *next;
};
struct thread *thread_find(int tid);
struct thread *thread_get(int tid);  // made when it is not known yet
void thread_drop(struct thread *thread);
void thread_drop_group(struct thread *survivor);  // all but one thread of a group
void thread_each_process(void (*visit)(struct thread *leader));

// ---- listener.c: calls of which the kernel tells without a stop (seccomp_unotify(2)).
bool listener_send(int link, int listener);
int listener_receive(int link);           // -1 where there is none
int listener_wait(int listener, int *status);  // as waitpid(); serves the listener meanwhile
void listener_wake(void);                      // for signal handlers: ends the wait

// ---- opening.c: what a call that opens a file is going to give. False where only the call itself can tell.
bool foresee_open(const struct thread *thread, char *real, size_t size, int *error);
bool other_namespace(int tid);  // whether paths mean other files to this process

// ---- tracee.c: looking into a traced process. All give -1 or false when it cannot be read.
long ptrace_raw(long request, long tid, void *address, void *data);
size_t tracee_read(int tid, uint64_t address, void *buffer, size_t size);
int tracee_string(int tid, uint64_t address, char *buffer, size_t size);
int tracee_link(int tid, const char *name, char *buffer, size_t size);  // readlink /proc/TID/NAME
int tracee_fd_path(int tid, int fd, char *buffer, size_t size);
void tracee_forget(int tid);  // it has ended: its number may be given to another
bool tracee_fd_position(int tid, int fd, int64_t *position);
void tracee_join(int tid, int dirfd, const char *path, char *buffer, size_t size);
void tracee_bound(int tid, int fd, int port);
int tracee_listening_port(int tid, int fd);
enum call_state { CALL_BEGINS, CALL_RETURNS, CALL_UNKNOWN };
bool tracee_is_32bit(int tid);
bool tracee_result(int tid, int64_t *result);  // of the call that has just ended
enum call_state tracee_call(struct thread *thread, bool entry, int64_t *result);

// ---- record.c: from calls to events.
bool outside_image(const char *path);
void record_entry(struct thread *thread);
void record_return(struct thread *thread, int64_t result);
bool record_foreseen(struct thread *thread);  // an open at its beginning; false where its end must be seen
void record_exec(struct thread *thread, const char *asked);

// ---- pages.c: which pages of file mappings are present.
void record_pages(int tid, int tgid, const char *why);
void record_pages_within(int tid, int tgid, const char *why, uint64_t from, uint64_t to);
// The file of the image that is mapped at an address; false where there is none.
bool tracee_mapped_path(int tid, uint64_t address, char *buffer, size_t size);

// ---- ports.c: ports that somebody listens on, for starts that are timed and not traced. Never returns.
_Noreturn void watch_ports(void);

// ---- ask.c: what is asked from inside the container; each gives its exit code.
int ask_for_snapshot(const char *file);
int follow(const char *file);
int probe(const char *target);

// ---- main.c
void complain(const char *what);  // on stderr, with the reason in errno

// ---- loop.c: the ptrace loop; ends when `app` has ended.
void trace_loop(int app, int listener);
bool seize(int app);
extern volatile bool snapshot_wanted;
