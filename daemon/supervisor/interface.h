/* SPDX-License-Identifier: MIT */
/*
 * docs/io.tunneld.Manager.varlink as a string; interface.c is written by embed.py when building.
 */
#pragma once

extern const char interface_description[];
