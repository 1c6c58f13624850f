/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told, sd_notify(3). Does nothing when nobody listens, or when tunneld
 * was built without libsystemd.
 */
#pragma once

void systemd_ready(void);
void systemd_reloading(void);
void systemd_stopping(void);
void systemd_status(const char *text); /* one line for `systemctl status` */
void systemd_feed_watchdog(void);
/* How often the watchdog wants to be fed; 0: there is none. */
unsigned systemd_watchdog_ms(void);
