/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/systemd.h"

#ifdef HAVE_SYSTEMD

#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "lib/util.h"

void systemd_ready(void)
{
	sd_notify(0, "READY=1");
}

void systemd_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, monotonic_us());
}

void systemd_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void systemd_status(const char *text)
{
	sd_notifyf(0, "STATUS=%s", text);
}

void systemd_feed_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}

unsigned systemd_watchdog_ms(void)
{
	uint64_t limit_us;

	if (sd_watchdog_enabled(0, &limit_us) <= 0)
		return 0;
	return (unsigned)MAX(limit_us / 2000, 1U); /* twice in the time there is */
}

#else

void systemd_ready(void)
{
}

void systemd_reloading(void)
{
}

void systemd_stopping(void)
{
}

void systemd_status(const char *text)
{
}

void systemd_feed_watchdog(void)
{
}

unsigned systemd_watchdog_ms(void)
{
	return 0;
}

#endif
