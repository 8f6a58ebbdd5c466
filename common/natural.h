/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of names as people read them: p2 before p10. */
#pragma once

/* <0, 0, >0 as strcmp(); runs of digits compare as numbers, then the whole as bytes. */
int natural_compare(const char *a, const char *b);
