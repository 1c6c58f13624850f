/* SPDX-License-Identifier: MIT */
/*
 * How values of OpenSSH's keywords become values of tunneld.yaml. Private to ssh_*.c.
 */
#pragma once

#include "lib/ssh_keywords.h"

typedef int ssh_value_fn(const struct ssh_translation *t, const char *value);

ssh_value_fn ssh_text; /* as it stands; "none" is nothing */
ssh_value_fn ssh_boolean;
ssh_value_fn ssh_seconds; /* "none" and 0 are nothing */
ssh_value_fn ssh_file; /* a path with tokens; "none" is nothing */
ssh_value_fn ssh_identity; /* the same, but "none" is the agent's keys alone */
ssh_value_fn ssh_files; /* several paths, in which `ssh -G` has replaced the tokens */
ssh_value_fn ssh_literal_files; /* the same, of which ssh replaces none */
ssh_value_fn ssh_agent;
ssh_value_fn ssh_jump;
ssh_value_fn ssh_command;
ssh_value_fn ssh_host_key;
ssh_value_fn ssh_algorithms;
ssh_value_fn ssh_rekey;
ssh_value_fn ssh_local_forward;
ssh_value_fn ssh_remote_forward;
ssh_value_fn ssh_dynamic_forward;

/* Tells the sink that the keyword with this value was not carried, and why. */
int ssh_note(const struct ssh_translation *t, const char *value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
