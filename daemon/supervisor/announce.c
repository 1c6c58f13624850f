/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/announce.h"

#include "daemon/common/log.h"
#include "daemon/common/packet.h"
#include "daemon/supervisor/listening.h"
#include "daemon/supervisor/worker.h"
#include "lib/util.h"

/* One message with as many of the sockets as it takes. */
static int tell_sockets(struct forward *f, json_t *message, struct listener *const *sockets,
			size_t count)
{
	int fds[PACKET_FDS_MAX];

	for (size_t i = 0; i < count; i++)
		fds[i] = sockets[i]->fd;
	return worker_send(f->tunnel->worker, message, fds, count);
}

static int tell_all_sockets(struct forward *f, json_t *first, struct listener *const *sockets,
			    size_t count)
{
	size_t told = MIN(count, PACKET_FDS_MAX);
	int rc = tell_sockets(f, first, sockets, told);

	f->announced |= rc == 0;
	while (rc == 0 && told < count) {
		size_t more = MIN(count - told, PACKET_FDS_MAX);

		rc = tell_sockets(f, wire_about_forward("forward-sockets", f->tunnel->id, f->id),
				  sockets + told, more);
		told += more;
	}
	return rc;
}

/* What is known of a forward before the worker says something. */
static void enter_told(struct forward *f, bool failed, const struct err *error)
{
	if (failed)
		forward_enter_plain(f, FORWARD_FAILED, error);
	else if (!f->has_sockets)
		forward_enter_plain(f, FORWARD_CLOSED, NULL);
}

void forward_announce(struct forward *f)
{
	struct listener *const *sockets = NULL;
	struct wire_forward message = { .tunnel = f->tunnel->id,
					.forward = f->id,
					.bound_port = f->bound_port };
	bool failed = f->listening && listening_state(f->listening) == LISTENING_FAILED;
	size_t count = 0;

	if (f->listening)
		sockets = listening_sockets(f->listening, &count);
	if (failed)
		message.error = *listening_error(f->listening);
	message.sockets = (unsigned)count;
	enter_told(f, failed, &message.error);
	f->news = false;
	if (tell_all_sockets(f, wire_forward(&message, f->spec), sockets, count) < 0) {
		log_error("%s: cannot hand forward '%s' to its worker", f->tunnel->name,
			  f->spec->name);
		f->news = true; /* with the next change; until then it is closed */
	}
	f->has_sockets = count > 0;
}
