/* SPDX-License-Identifier: MIT */
#include "daemon/worker/flow.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "lib/util.h"

static bool is_passing(int sys)
{
	return sys == EAGAIN || sys == EINTR;
}

int flow_read(struct flow *f, int fd, size_t limit)
{
	size_t room;
	char *space = buffer_room(&f->bytes, limit, &room);
	ssize_t n;

	if (!space)
		return room == 0 ? 0 : -1;
	n = recv(fd, space, room, MSG_DONTWAIT);
	f->eof = n == 0;
	buffer_grow(&f->bytes, n > 0 ? (size_t)n : 0);
	return n < 0 && !is_passing(errno) ? -1 : 0;
}

int flow_write(struct flow *f, int fd)
{
	struct iovec parts[2] = {
		{ (void *)buffer_bytes(&f->text), f->text.size },
		{ (void *)buffer_bytes(&f->bytes), f->cleared },
	};
	bool has_text = f->text.size > 0;
	struct msghdr message = { .msg_iov = has_text ? parts : parts + 1,
				  .msg_iovlen = 1 + (has_text && f->cleared > 0) };
	size_t size = f->text.size + f->cleared, sent, of_text;
	ssize_t n;

	if (size == 0)
		return 0;
	n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && !is_passing(errno))
		return -1;
	sent = n > 0 ? (size_t)n : 0;
	f->full = sent < size;
	of_text = MIN(sent, f->text.size);
	buffer_drop(&f->text, of_text);
	buffer_drop(&f->bytes, sent - of_text);
	f->cleared -= sent - of_text;
	return 0;
}

int flow_add_text(struct flow *f, struct strbuf *text)
{
	int result = text->failed ? -1 : buffer_add(&f->text, text->data, text->length);

	strbuf_fini(text);
	return result;
}

bool flow_is_clear(const struct flow *f)
{
	return f->text.size == 0 && f->cleared == 0;
}

void flow_drop(struct flow *f)
{
	buffer_fini(&f->text);
	buffer_drop(&f->bytes, f->cleared);
	f->cleared = 0;
	f->full = false;
}

void flow_fini(struct flow *f)
{
	buffer_fini(&f->text);
	buffer_fini(&f->bytes);
	*f = (struct flow){ 0 };
}
