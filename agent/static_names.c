/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In place of the C library's name service, in the static agent alone: that one would load shared
 * libraries. libevent refers to it; the agent itself takes addresses in digits and never calls it.
 */
#include <netdb.h>
#include <stddef.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		struct addrinfo **out)
{
	(void)name;
	(void)service;
	(void)hints;
	(void)out;
	return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *list)
{
	(void)list; /* none was ever made */
}

struct servent *getservbyname(const char *name, const char *protocol)
{
	(void)name;
	(void)protocol;
	return NULL;
}

struct protoent *getprotobynumber(int number)
{
	(void)number;
	return NULL;
}
