/* SPDX-License-Identifier: MIT */
/*
 * Reading the configuration again and applying the difference, and nothing but the difference. A
 * broken configuration changes nothing.
 */
#pragma once

struct supervisor;
struct call;

/* call may be NULL (SIGHUP). A reload that waits for its turn serves all who ask meanwhile. */
void reload_request(struct supervisor *s, struct call *call);
