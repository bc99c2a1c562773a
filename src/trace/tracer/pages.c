// Which pages of file mappings a process has touched, by /proc/PID/pagemap. A page fault is no system call, so this
// is looked at when it is about to be lost (exec, exit, munmap) and when the program is ready.
#include "tracer.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Pages are reported once: what a second process or a later look finds again says nothing new. Executable
// mappings count apart from others, because the kernel reads ahead differently there.
struct seen {
  struct seen *next;
  uint64_t *bits;
  size_t words;
  bool executable;
  char path[];
};
enum { BUCKETS = 4096 };
static struct seen *table[BUCKETS];

static struct seen *seen_of(const char *path, bool executable) {
  uint32_t hash = 2166136261u;  // FNV-1a
  for (const char *s = path; *s; s++) hash = (hash ^ (unsigned char)*s) * 16777619u;
  struct seen **place = &table[(hash + executable) % BUCKETS];
  for (struct seen *s = *place; s; s = s->next)
    if (s->executable == executable && strcmp(s->path, path) == 0) return s;
  struct seen *s = calloc(1, sizeof *s + strlen(path) + 1);
  if (!s) _exit(97);
  strcpy(s->path, path);
  s->executable = executable;
  s->next = *place;
  return *place = s;
}

static bool first_time(struct seen *s, uint64_t page) {
  size_t word = page / 64;
  uint64_t bit = 1ull << page % 64;
  if (word >= s->words) {
    size_t words = word * 2 + 16;
    uint64_t *bits = realloc(s->bits, words * sizeof *bits);
    if (!bits) return true;
    memset(bits + s->words, 0, (words - s->words) * sizeof *bits);
    s->bits = bits;
    s->words = words;
  }
  if (s->bits[word] & bit) return false;
  s->bits[word] |= bit;
  return true;
}

struct mapping {
  uint64_t start, end, offset;
  int prot;
  const char *path;
};

// One event with the runs of new pages of a mapping; further events where one line cannot hold them.
struct report {
  int pid;
  const char *why;
  const struct mapping *mapping;
  uint64_t run, run_length;
  bool begun, first;
};

static void report_begin(struct report *r) {
  char text[80];
  event_begin("pages", r->pid);
  event_path("why", r->why);
  event_path("path", r->mapping->path);
  event_number("prot", r->mapping->prot);
  snprintf(text, sizeof text, ",\"map\":[%llu,%llu],\"r\":[", (unsigned long long)r->mapping->offset,
           (unsigned long long)(r->mapping->end - r->mapping->start));
  event_text(text);
  r->begun = r->first = true;
}

static void report_run(struct report *r) {
  char text[64];
  if (!r->run_length) return;
  if (r->begun && event_room() < 1024) {
    event_text("]");
    event_end();
    r->begun = false;
  }
  if (!r->begun) report_begin(r);
  snprintf(text, sizeof text, "%s[%llu,%llu]", r->first ? "" : ",", (unsigned long long)r->run,
           (unsigned long long)r->run_length);
  event_text(text);
  r->first = false;
  r->run_length = 0;
}

static void report_page(struct report *r, uint64_t offset, uint64_t size) {
  if (r->run_length && offset == r->run + r->run_length) {
    r->run_length += size;
    return;
  }
  report_run(r);
  r->run = offset;
  r->run_length = size;
}

static void look(int pagemap, const struct mapping *m, uint64_t from, uint64_t to, struct report *r) {
  static uint64_t entries[8192];
  const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  struct seen *seen = seen_of(m->path, m->prot & 4);
  uint64_t v = (from > m->start ? from : m->start) / page;
  const uint64_t last = (to < m->end ? to : m->end) / page;
  while (v < last) {
    uint64_t want = last - v < 8192 ? last - v : 8192;
    ssize_t n = pread(pagemap, entries, want * 8, (off_t)(v * 8));
    if (n <= 0) break;
    for (uint64_t i = 0; i < (uint64_t)n / 8; i++, v++) {
      // Documentation/admin-guide/mm/pagemap.rst: bit 63 is "present", bit 62 "swapped".
      if (!(entries[i] >> 62)) continue;
      uint64_t offset = m->offset + v * page - m->start;
      if (first_time(seen, offset / page)) report_page(r, offset, page);
    }
  }
  report_run(r);
  if (r->begun) {
    event_text("]");
    event_end();
  }
}

// The kernel writes a newline in a mapping's path as \012.
static void unescape(char *path) {
  for (char *s; (s = strstr(path, "\\012")); path = s + 1) {
    *s = '\n';
    memmove(s + 1, s + 4, strlen(s + 4) + 1);
  }
}

typedef bool visitor(const struct mapping *mapping, void *context);
// Calls `visit` for each mapping of a file of the image that meets [from, to), until it gives false.
static void each_mapping(int tid, uint64_t from, uint64_t to, visitor *visit, void *context) {
  static char line[LONG_PATH + 200];
  char name[64];
  snprintf(name, sizeof name, "/proc/%d/maps", tid);
  FILE *maps = fopen(name, "re");
  while (maps && fgets(line, sizeof line, maps)) {
    unsigned long long start, end, offset, inode;
    char rights[8];
    int at = 0;
    if (sscanf(line, "%llx-%llx %7s %llx %*s %llu %n", &start, &end, rights, &offset, &inode, &at) < 5 || !inode || !at)
      continue;
    if (end <= from || start >= to) continue;
    char *path = line + at;
    path[strcspn(path, "\n")] = 0;
    unescape(path);
    if (outside_image(path)) continue;
    int prot = (rights[0] == 'r' ? 1 : 0) | (rights[1] == 'w' ? 2 : 0) | (rights[2] == 'x' ? 4 : 0);
    struct mapping mapping = {start, end, offset, prot, path};
    if (!visit(&mapping, context)) break;
  }
  if (maps) fclose(maps);
}

struct search {
  int tgid, pagemap;
  const char *why;
  uint64_t from, to;
};

static bool look_at(const struct mapping *mapping, void *context) {
  const struct search *s = context;
  struct report report = {.pid = s->tgid, .why = s->why, .mapping = mapping};
  look(s->pagemap, mapping, s->from, s->to, &report);
  return true;
}

void record_pages_within(int tid, int tgid, const char *why, uint64_t from, uint64_t to) {
  char name[64];
  if (!settings.pages) return;
  snprintf(name, sizeof name, "/proc/%d/pagemap", tid);
  struct search search = {tgid, open(name, O_RDONLY | O_CLOEXEC), why, from, to};
  if (search.pagemap < 0) return;
  each_mapping(tid, from, to, look_at, &search);
  close(search.pagemap);
}

struct found {
  char *path;
  size_t size;
  bool any;
};

static bool take_path(const struct mapping *mapping, void *context) {
  struct found *found = context;
  found->any = snprintf(found->path, found->size, "%s", mapping->path) < (int)found->size;
  return false;
}

bool tracee_mapped_path(int tid, uint64_t address, char *buffer, size_t size) {
  struct found found = {buffer, size, false};
  each_mapping(tid, address, address + 1, take_path, &found);
  return found.any;
}

void record_pages(int tid, int tgid, const char *why) { record_pages_within(tid, tgid, why, 0, UINT64_MAX); }
