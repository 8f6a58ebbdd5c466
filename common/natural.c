/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/natural.h"

#include <stdbool.h>
#include <string.h>

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* Compares the numbers that @a and @b start with; moves both past them when equal. In one walk:
 * names are looked up by this order, many times for each step of a change. */
static int compare_numbers(const char **a, const char **b)
{
	int first = 0; /* difference of the first digits that differ; counts at equal lengths */

	while (**a == '0')
		(*a)++;
	while (**b == '0')
		(*b)++;
	while (is_digit(**a) && is_digit(**b)) {
		if (!first)
			first = **a - **b;
		(*a)++;
		(*b)++;
	}
	if (is_digit(**a) || is_digit(**b))
		return is_digit(**a) ? 1 : -1;
	return first;
}

int natural_compare(const char *a, const char *b)
{
	const char *whole_a = a;
	const char *whole_b = b;

	while (*a && *b) {
		if (is_digit(*a) && is_digit(*b)) {
			int r = compare_numbers(&a, &b);

			if (r)
				return r;
			continue;
		}
		if (*a != *b)
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		a++;
		b++;
	}
	if (*a || *b)
		return *a ? 1 : -1;
	return strcmp(whole_a, whole_b);
}
