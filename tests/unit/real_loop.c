/* SPDX-License-Identifier: MIT */
#include "tests/unit/real_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct turns {
	struct loop *loop;
	struct loop_defer defer;
	unsigned left;
};

struct loop *real_loop_new(void)
{
	struct err err;
	struct loop *loop = loop_new(&err);

	if (!loop)
		fail_msg("%s", err.msg);
	return loop;
}

static void on_limit(void *data)
{
	loop_quit(data, -1);
}

void real_loop_run(struct loop *loop)
{
	struct loop_timer limit;

	assert_int_equal(loop_timer_open(&limit, loop, on_limit, loop), 0);
	loop_timer_set(&limit, REAL_LOOP_LIMIT_MS);
	if (loop_run(loop) != 0)
		fail_msg("nobody has quit the loop for %d ms", REAL_LOOP_LIMIT_MS);
	loop_timer_close(&limit);
}

static void on_turn(void *data)
{
	struct turns *t = data;

	if (t->left-- == 0)
		loop_quit(t->loop, 0);
	else
		loop_defer_schedule(&t->defer);
}

void real_loop_turns(struct loop *loop, unsigned turns)
{
	struct turns t = { .loop = loop, .left = turns };

	loop_defer_open(&t.defer, loop, on_turn, &t);
	loop_defer_schedule(&t.defer);
	real_loop_run(loop);
	loop_defer_close(&t.defer);
}
