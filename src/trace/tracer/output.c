// The trace file. Its end is mapped and shared with the page cache, so that a SIGKILL (the end of PID 1 kills its
// namespace) loses nothing, and an event costs no system call. Behind the last event are NULs.
#include "tracer.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

// Two paths of LONG_PATH bytes, each byte six characters at worst, and their base64, fit.
static char line[160 * 1024];
static size_t length;
static int fd = -1;
static uint64_t start_ns;

enum { WINDOW = 256 * 1024 };
static char *window;        // the part of the file that is being written
static off_t position;      // where in the file the next byte goes
static bool mapped = true;  // else it is written by calls: a file system may know no mappings

static uint64_t now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// Somebody has cut the file, so that the pages of the window are gone. What is being stored goes to memory instead, and
// the recording stops: the program must not lose its tracer.
static void on_bus_error(int signal) {
  (void)signal;
  mmap(window, WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  fd = -1;
}

// O_EXCL and O_NOFOLLOW: an image cannot place a link or a file where the trace is going to be.
bool output_open(const char *file) {
  fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  struct sigaction action = {.sa_handler = on_bus_error};
  sigaction(SIGBUS, &action, 0);
  return fd >= 0;
}

size_t event_room(void) { return sizeof line - length; }

static void put(const char *bytes, size_t count) {
  // Two bytes stay for the end of the object and of the line.
  if (count + 2 > event_room()) return;
  memcpy(line + length, bytes, count);
  length += count;
}

void event_text(const char *text) { put(text, strlen(text)); }

static void put_number(int64_t value) {
  char digits[20];
  size_t at = sizeof digits;
  uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
  do digits[--at] = (char)('0' + rest % 10);
  while (rest /= 10);
  if (value < 0) put("-", 1);
  put(digits + at, sizeof digits - at);
}

static void put_key(const char *key) {
  put(",\"", 2);
  event_text(key);
  put("\":", 2);
}

void event_begin(const char *op, int pid) {
  length = 0;
  event_text("{\"t\":");
  put_number((int64_t)((now_ns(CLOCK_MONOTONIC) - start_ns) / 1000));
  event_number("pid", pid);
  put_key("op");
  put("\"", 1);
  event_text(op);
  put("\"", 1);
}

void event_number(const char *key, int64_t value) {
  put_key(key);
  put_number(value);
}

// Length of the UTF-8 sequence at `s` (RFC 3629: shortest form, no surrogates, at most U+10FFFF), or 0.
static int utf8_length(const unsigned char *s) {
  if (s[0] < 0x80) return 1;
  if (s[0] < 0xc2) return 0;
  if ((s[1] & 0xc0) != 0x80) return 0;
  if (s[0] < 0xe0) return 2;
  if ((s[2] & 0xc0) != 0x80) return 0;
  if (s[0] < 0xf0) return (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ? 0 : 3;
  if ((s[3] & 0xc0) != 0x80 || s[0] > 0xf4) return 0;
  return (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ? 0 : 4;
}

static void put_base64(const unsigned char *s, size_t count) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < count; i += 3) {
    uint32_t word = (uint32_t)s[i] << 16;
    if (i + 1 < count) word |= (uint32_t)s[i + 1] << 8;
    if (i + 2 < count) word |= s[i + 2];
    char out[4] = {digits[word >> 18], digits[word >> 12 & 63], digits[word >> 6 & 63], digits[word & 63]};
    if (i + 2 >= count) out[3] = '=';
    if (i + 1 >= count) out[2] = '=';
    put(out, 4);
  }
}

static bool plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

void event_path(const char *key, const char *path) {
  char text[96];
  bool clean = true;
  put_key(key);
  put("\"", 1);
  for (const unsigned char *s = (const unsigned char *)path; *s;) {
    size_t n = 0;
    while (plain(s[n])) n++;
    put((const char *)s, n);
    s += n;
    if (!*s) break;
    n = (size_t)utf8_length(s);
    if (n == 0) {
      clean = false;
      event_text("\\ufffd");
      s++;
    } else if (n > 1) {
      put((const char *)s, n);
      s += n;
    } else {
      put(text, (size_t)snprintf(text, sizeof text, "\\u%04x", *s++));
    }
  }
  put("\"", 1);
  if (clean) return;
  put(text, (size_t)snprintf(text, sizeof text, ",\"%s_b64\":\"", key));
  put_base64((const unsigned char *)path, strlen(path));
  put("\"", 1);
}

// Space is taken before it is stored to: a page of the file that cannot get any would end the tracer.
static bool next_window(void) {
  if (window) munmap(window, WINDOW);
  window = 0;
  if (fallocate(fd, 0, position, WINDOW)) return false;
  void *place = mmap(0, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED, fd, position);
  if (place == MAP_FAILED) return false;
  window = place;
  return true;
}

// On a full disk the recording stops at a whole line, and the program goes on; the recorder sees it by the cut end.
void event_end(void) {
  line[length++] = '}';
  line[length++] = '\n';
  for (size_t done = 0; done < length && fd >= 0;) {
    size_t count = length - done, at = (size_t)position % WINDOW;
    if (mapped && at == 0) mapped = next_window();
    if (mapped) {
      if (count > WINDOW - at) count = WINDOW - at;
      memcpy(window + at, line + done, count);
    } else {
      ssize_t n = pwrite(fd, line + done, count, position);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        close(fd);
        fd = -1;
        return;
      }
      count = (size_t)n;
    }
    done += count;
    position += (off_t)count;
  }
}

// t0 is written as a string because nanoseconds since 1970 exceed what a JSON reader's double holds exactly.
void header_write(int app, int tracer, const char *mode) {
  start_ns = now_ns(CLOCK_MONOTONIC);
  length = (size_t)snprintf(line, sizeof line,
                            "{\"v\":1,\"op\":\"start\",\"t0_unix_ns\":\"%llu\",\"clock\":\"monotonic\",\"unit\":\"us\","
                            "\"mode\":\"%s\",\"level\":%d,\"pid\":%d,\"tracer\":%d",
                            (unsigned long long)now_ns(CLOCK_REALTIME), mode, settings.level, app, tracer);
  event_end();
}
