/* SPDX-License-Identifier: MIT */
#include "daemon/worker/channel_window.h"

#include "lib/util.h"

#define HALF (CHANNEL_WINDOW_SIZE / 2)
/* libssh 0.10 keeps a window of 0.6 to 1.28 MB: 6 MB/s at 100 ms of round trip. */
#define WIDEN_FIRST ((size_t)256 * 1024) /* short connections need no large window */
#define WIDEN_EVERY ((size_t)128 * 1024)

void channel_window_init(struct channel_window *w, bool by_halves, size_t size)
{
	*w = (struct channel_window){
		.by_halves = by_halves,
		.until_widen = WIDEN_FIRST,
		.unreturned = CHANNEL_WINDOW_SIZE - size,
	};
}

/* libssh 0.11 returns what was taken once that is half of the window, or more. Were it half and a bit,
 * the other half would end that bit short of its own turn and wait a round trip for it: half a window
 * would be all that a round trip carries. So nothing goes beyond the half. */
size_t channel_window_portion(const struct channel_window *w, size_t size)
{
	if (!w->by_halves || w->unreturned >= HALF)
		return size;
	return MIN(size, HALF - w->unreturned);
}

void channel_window_taken(struct channel_window *w, size_t size)
{
	if (size == 0)
		return; /* libssh looks at its window only when something was taken */
	w->unreturned += size;
	if (w->unreturned >= HALF)
		w->unreturned = 0;
}

void channel_window_passed(struct channel_window *w, size_t size)
{
	w->until_widen -= MIN(size, w->until_widen);
	channel_window_taken(w, size);
}

bool channel_window_is_due(const struct channel_window *w)
{
	return !w->by_halves && w->until_widen == 0;
}

void channel_window_widened(struct channel_window *w)
{
	w->until_widen = WIDEN_EVERY;
}
