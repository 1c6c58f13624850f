/* SPDX-License-Identifier: MIT */
/*
 * What a step of a state machine answers: a step never blocks, it goes as far as it can.
 */
#pragma once

enum step {
	STEP_WAIT, /* call again when something happened */
	STEP_NEXT, /* done */
	STEP_FAIL, /* err says why */
};
