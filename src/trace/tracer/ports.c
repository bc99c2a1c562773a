// How long a start takes without being traced: nothing is stopped and nothing is looked into. The kernel's table of
// sockets says when the program listens, and the event is the one that a traced start would have written.
#include "tracer.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// Docker's own name server, in the container's network but not the program's.
#define ENGINE_DNS "0B00007F"
// The kernel goes through the sockets of the whole machine for each look, which takes milliseconds where there is much memory:
// looking must not take more than a tenth of a processor from the start that is timed.
enum { LISTENING = 0x0a, LEAST_US = 2000, SHARE = 10 };

static unsigned char seen[65536 / 8];

static void read_table(const char *name) {
  char text[300];
  FILE *file = fopen(name, "re");
  while (file && fgets(text, sizeof text, file)) {
    char address[33];
    unsigned port, state;
    if (sscanf(text, " %*d: %32[0-9A-F]:%x %*s %x", address, &port, &state) < 3 || state != LISTENING) continue;
    if (port > 65535 || seen[port / 8] >> port % 8 & 1 || strcmp(address, ENGINE_DNS) == 0) continue;
    seen[port / 8] |= (unsigned char)(1 << port % 8);
    event_begin("listen", 1);
    event_number("port", port);
    event_end();
  }
  if (file) fclose(file);
}

// PID 1's end ends this process too.
void watch_ports(void) {
  for (;;) {
    clock_t before = clock();
    read_table("/proc/self/net/tcp");
    read_table("/proc/self/net/tcp6");
    long cost = (long)(clock() - before) * (1000000 / CLOCKS_PER_SEC);
    usleep((useconds_t)(cost * SHARE > LEAST_US ? cost * SHARE : LEAST_US));
  }
}
