/* SPDX-License-Identifier: MIT */
#include "daemon/worker/session_incoming.h"

#include <libssh/server.h>
#include <string.h>

#include "lib/str.h"

/* By port; the address only tells two of one port apart, because servers repeat it in spellings of
 * their own. */
static struct session_listener *find(struct list *listeners, const char *address, unsigned port)
{
	struct session_listener *l, *same_port = NULL, *unknown = NULL;
	unsigned candidates = 0;

	list_for_each (l, listeners, link) {
		if (l->port == port && strcmp(l->address, address) == 0)
			return l;
		if (l->port == port) {
			same_port = l;
			candidates++;
		}
		if (l->port == 0 && (!unknown || strcmp(l->address, address) == 0))
			unknown = l;
	}
	if (candidates == 0)
		return unknown;
	return candidates == 1 ? same_port : NULL;
}

static void describe(ssh_message message, struct session_incoming *in)
{
	const char *host = ssh_message_channel_request_open_originator(message);
	char shown[ENDPOINT_HOST_MAX + 1];

	str_escape(shown, sizeof(shown), host ? host : "", host ? strlen(host) : 0);
	endpoint_format(in->originator, shown,
			(uint16_t)ssh_message_channel_request_open_originator_port(message));
}

int session_incoming(struct list *listeners, ssh_message message)
{
	struct session_incoming in = { 0 };
	const char *address;
	ssh_channel ssh;

	if (ssh_message_type(message) != SSH_REQUEST_CHANNEL_OPEN ||
	    ssh_message_subtype(message) != SSH_CHANNEL_FORWARDED_TCPIP)
		return 1;
	address = ssh_message_channel_request_open_destination(message);
	in.port = (unsigned)ssh_message_channel_request_open_destination_port(message);
	in.listener = find(listeners, address ? address : "", in.port);
	if (!in.listener || !in.listener->may_accept(in.listener->data))
		return 1;
	describe(message, &in);
	ssh = ssh_message_channel_request_open_reply_accept(message);
	if (ssh)
		in.listener->on_channel(in.listener->data, &in, ssh);
	return 0;
}
