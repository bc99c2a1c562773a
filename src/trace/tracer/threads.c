// A hash table of the traced threads, by thread id.
#include "tracer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

enum { BUCKETS = 4096 };
static struct thread *table[BUCKETS];

struct thread *thread_find(int tid) {
  struct thread *t = table[tid % BUCKETS];
  while (t && t->tid != tid) t = t->next;
  return t;
}

static int group_of(int tid) {
  char name[64], text[512];
  snprintf(name, sizeof name, "/proc/%d/status", tid);
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return tid;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n > 0 ? n : 0] = 0;
  const char *field = strstr(text, "\nTgid:");
  return field ? atoi(field + 6) : tid;
}

struct thread *thread_get(int tid) {
  struct thread *t = thread_find(tid);
  if (t) return t;
  t = calloc(1, sizeof *t);
  if (!t) _exit(97);
  t->tid = tid;
  t->tgid = group_of(tid);
  t->other = true;
  t->next = table[tid % BUCKETS];
  table[tid % BUCKETS] = t;
  struct thread *leader = t->tgid == tid ? t : thread_find(t->tgid);
  if (leader) leader->running++;
  return t;
}

void thread_drop(struct thread *thread) {
  struct thread **place = &table[thread->tid % BUCKETS];
  while (*place != thread) place = &(*place)->next;
  *place = thread->next;
  tracee_forget(thread->tid);
  free(thread->path);
  free(thread);
}

void thread_drop_group(struct thread *survivor) {
  for (int i = 0; i < BUCKETS; i++)
    for (struct thread *t = table[i], *next; t; t = next) {
      next = t->next;
      if (t->tgid == survivor->tgid && t != survivor) thread_drop(t);
    }
}

void thread_each_process(void (*visit)(struct thread *leader)) {
  for (int i = 0; i < BUCKETS; i++)
    for (struct thread *t = table[i]; t; t = t->next)
      if (t->tid == t->tgid && !t->dead) visit(t);
}
