/* SPDX-License-Identifier: MIT */
/*
 * What both ends of a measurement need: time, threads, whole messages through blocking sockets.
 * Whatever fails ends the program, as a measurement with a hole in it is none.
 */
#pragma once

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK (256 * 1024)

void die(const char *what); /* does not return */
uint64_t now_ns(void);
double seconds_since(uint64_t start_ns);
unsigned long number(const char *text);

bool send_all(int fd, const char *data, size_t size);
bool receive_all(int fd, char *data, size_t size);
char *chunk_new(void); /* CHUNK bytes */

void set_nodelay(int fd);
struct sockaddr_in loopback(unsigned long port);
/* where: `PORT`, or `PROXY/PORT`: to PORT at the far side of the SOCKS 5 proxy on PROXY. */
int dial(const char *where);

/* ret: NULL: nobody joins it. */
void start_thread(void *(*run)(void *), void *data, pthread_t *ret);
