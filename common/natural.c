/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/natural.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* Compares the numbers that @a and @b start with; moves both past them when equal. */
static int compare_numbers(const char **a, const char **b)
{
	size_t la;
	size_t lb;
	int r;

	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	la = digits(*a);
	lb = digits(*b);
	if (la != lb)
		return la < lb ? -1 : 1;
	r = strncmp(*a, *b, la);
	*a += la;
	*b += lb;
	return r;
}

int natural_compare(const char *a, const char *b)
{
	const char *whole_a = a;
	const char *whole_b = b;

	while (*a && *b) {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
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
