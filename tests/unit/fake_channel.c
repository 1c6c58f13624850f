/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/util.h"

struct channel_pipe channel;

void fake_channel_open(void)
{
	channel = (struct channel_pipe){ .room = 65536, .takes = 65536 };
}

void channel_pipe_set_ops(struct channel_pipe *c, const struct channel_pipe_ops *ops, void *data)
{
	c->ops = ops;
	c->data = data;
}

void channel_pipe_attend(struct channel_pipe *c)
{
}

void channel_pipe_release(struct channel_pipe *c)
{
	assert_non_null(c->ops); /* only once */
	c->ops = NULL;
}

size_t channel_pipe_room(struct channel_pipe *c)
{
	if (c->eof_sent || c->closed)
		return 0;
	c->waits |= c->room == 0;
	return c->room;
}

int channel_pipe_write(struct channel_pipe *c, const char *bytes, size_t size)
{
	size_t n = MIN(size, c->takes);

	if (c->writes_fail)
		return -1;
	assert_true(size <= c->room);
	assert_false(c->eof_sent);
	strbuf_add_bytes(&c->written, bytes, n);
	c->room -= n;
	c->waits |= n < size;
	return (int)n;
}

void channel_pipe_send_eof(struct channel_pipe *c)
{
	c->eof_sent = true;
}

size_t channel_pipe_held(const struct channel_pipe *c)
{
	return c->held.length;
}

char *channel_pipe_take(struct channel_pipe *c, size_t *ret_size)
{
	*ret_size = 0;
	if (c->take_fails) {
		c->broken = true;
		return NULL;
	}
	*ret_size = c->held.length;
	return strbuf_take(&c->held);
}

bool channel_pipe_is_eof(const struct channel_pipe *c)
{
	return c->eof;
}

bool channel_pipe_is_closed(const struct channel_pipe *c)
{
	return c->closed;
}

bool channel_pipe_is_broken(const struct channel_pipe *c)
{
	return c->broken;
}

void serve(void)
{
	channel.waits = false;
	if (channel.ops)
		channel.ops->on_service(channel.data);
}

void widen(size_t room)
{
	channel.room += room;
	if (channel.waits)
		serve();
}

size_t arrive(const char *bytes, size_t size)
{
	struct strbuf all = channel.held;
	size_t taken;

	strbuf_add_bytes(&all, bytes, size);
	channel.held = (struct strbuf){ 0 };
	taken = channel.ops->on_data(channel.data, all.data, all.length);
	assert_true(taken <= all.length);
	strbuf_add_bytes(&channel.held, all.data + taken, all.length - taken);
	strbuf_fini(&all);
	return taken;
}

void arrive_text(const char *text)
{
	arrive(text, strlen(text));
	serve();
}

void lose_session(void)
{
	const struct channel_pipe_ops *told = TAKE(channel.ops);

	told->on_lost(channel.data);
}

void fake_channel_fini(void)
{
	strbuf_fini(&channel.written);
	strbuf_fini(&channel.held);
	channel = (struct channel_pipe){ 0 };
}
