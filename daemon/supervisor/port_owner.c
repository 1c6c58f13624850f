/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/port_owner.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/str.h"
#include "lib/util.h"

#define TCP_LISTEN_STATE 0x0A

/* The kernel prints addresses as 32-bit words in the host's byte order, in hexadecimal. */
static bool parse_hex_address(const char *text, unsigned port, int family, struct address *ret)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	unsigned w[4];

	if (family == AF_INET) {
		if (sscanf(text, "%8x", &w[0]) != 1)
			return false;
		memcpy(&v4.sin_addr, w, sizeof(v4.sin_addr));
		address_from_sockaddr(ret, (struct sockaddr *)&v4, sizeof(v4));
	} else {
		if (sscanf(text, "%8x%8x%8x%8x", &w[0], &w[1], &w[2], &w[3]) != 4)
			return false;
		memcpy(&v6.sin6_addr, w, sizeof(v6.sin6_addr));
		address_from_sockaddr(ret, (struct sockaddr *)&v6, sizeof(v6));
	}
	address_set_port(ret, (uint16_t)port);
	return true;
}

/* A dual-stack wildcard of IPv6 takes the port of IPv4 as well. */
static bool is_in_the_way(const struct address *listening, const struct address *wanted)
{
	if (address_overlaps(listening, wanted))
		return true;
	return listening->sa.sa_family == AF_INET6 && address_is_wildcard(listening) &&
	       address_port(listening) == address_port(wanted);
}

static void note_listener(struct port_owner *owners, size_t count, const struct address *listening,
			  unsigned long inode)
{
	for (size_t i = 0; i < count; i++) {
		if (owners[i].inode == 0 && is_in_the_way(listening, &owners[i].address))
			owners[i].inode = inode;
	}
}

/* connect() takes its ports from ip_local_port_range, and one of those may be wanted here. */
static void note_connection(struct port_owner *owners, size_t count, const struct address *local)
{
	for (size_t i = 0; i < count; i++)
		owners[i].connected |= address_overlaps(local, &owners[i].address);
}

/* proc(5): "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ..." */
static void read_table(const char *path, int family, struct port_owner *owners, size_t count)
{
	FILE *file = fopen(path, "re");
	char line[512], host[33];
	unsigned port, state;
	unsigned long inode;
	struct address local;

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %*d: %32[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*u %*u %lu", host,
			   &port, &state, &inode) != 4 ||
		    !parse_hex_address(host, port, family, &local))
			continue;
		if (state != TCP_LISTEN_STATE)
			note_connection(owners, count, &local);
		else if (inode != 0)
			note_listener(owners, count, &local, inode);
	}
	fclose(file);
}

char *process_name(char *out, size_t size, pid_t pid)
{
	CLEANUP(freep) char *path = str_printf("/proc/%d/comm", (int)pid);
	CLEANUP(closep) int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char raw[32];
	ssize_t n = fd >= 0 ? read(fd, raw, sizeof(raw)) : -1;

	if (n > 0 && raw[n - 1] == '\n')
		n--;
	return str_escape(out, size, raw, n > 0 ? (size_t)n : 0);
}

/* Looks through the descriptors of one process. */
static void match_process(int proc, const char *pid, struct port_owner *owners, size_t count)
{
	CLEANUP(freep) char *path = str_printf("%s/fd", pid);
	int fd = path ? openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	char target[64];
	unsigned long inode;
	ssize_t n;

	if (!dir) {
		closep(&fd);
		return;
	}
	while ((entry = readdir(dir))) {
		n = readlinkat(fd, entry->d_name, target, sizeof(target) - 1);
		target[MAX(n, 0)] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) != 1)
			continue;
		for (size_t i = 0; i < count; i++) {
			if (owners[i].inode != inode || owners[i].pid)
				continue;
			owners[i].pid = (pid_t)atol(pid);
			process_name(owners[i].name, sizeof(owners[i].name), owners[i].pid);
		}
	}
	closedir(dir);
}

void port_owners_find(struct port_owner *owners, size_t count)
{
	DIR *proc;
	struct dirent *entry;

	for (size_t i = 0; i < count; i++) {
		owners[i].inode = 0;
		owners[i].connected = false;
		owners[i].pid = 0;
		owners[i].name[0] = '\0';
	}
	read_table("/proc/net/tcp", AF_INET, owners, count);
	read_table("/proc/net/tcp6", AF_INET6, owners, count);
	proc = opendir("/proc");
	if (!proc)
		return;
	while ((entry = readdir(proc))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			match_process(dirfd(proc), entry->d_name, owners, count);
	}
	closedir(proc);
}

void port_owner_explain(const struct port_owner *owner, bool is_root, struct err *ret)
{
	char text[ADDRESS_TEXT_MAX];

	address_format(text, &owner->address);
	if (owner->pid)
		err_set(ret, ERR_PORT_IN_USE,
			"%s is in use by %s (pid %d); choose another 'listen' or stop it", text,
			owner->name, (int)owner->pid);
	else if (owner->inode == 0 && owner->connected)
		err_set(ret, ERR_PORT_IN_USE,
			"%s is held by a connection that left from this port, and is tried again; "
			"choose a 'listen' outside net.ipv4.ip_local_port_range",
			text);
	else
		err_set(ret, ERR_PORT_IN_USE,
			"%s is in use by another process%s; choose another 'listen' or stop it",
			text, is_root ? "" : " (run as root to see which)");
}
