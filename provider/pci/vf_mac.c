/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/vf_mac.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cursor.h"

/* Netlink's numbers are in the machine's order; cursor and buf write little-endian ones. */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "vf_mac.c is written for little-endian machines"
#endif

enum { MAC_BYTES = 6, ANSWERS_MAX = 64 };

/* ---- writing ---- */

static void pad(struct buf *b, size_t start)
{
	while (!b->failed && (b->length - start) % 4)
		buf_u8(b, 0);
}

static void length_set(struct buf *b, size_t at, size_t bytes)
{
	size_t length = b->length - at;

	for (size_t i = 0; !b->failed && i < bytes; i++)
		b->data[at + i] = (uint8_t)(length >> 8 * i);
}

/* Where an attribute begins; attribute_end() wants it back. */
static size_t attribute_begin(struct buf *b, uint16_t type)
{
	size_t at = b->length;

	buf_le16(b, 0);
	buf_le16(b, type);
	return at;
}

static void attribute_end(struct buf *b, size_t at)
{
	length_set(b, at, 2);
	pad(b, at);
}

static void header(struct buf *b, uint16_t type, uint16_t flags, uint32_t seq, uint32_t interface)
{
	buf_le32(b, 0);
	buf_le16(b, type);
	buf_le16(b, flags);
	buf_le32(b, seq);
	buf_le32(b, 0); /* of us: the kernel knows */
	buf_u8(b, AF_UNSPEC);
	buf_u8(b, 0);
	buf_le16(b, 0);
	buf_le32(b, interface);
	buf_le32(b, 0); /* flags, and which of them: none is changed */
	buf_le32(b, 0);
}

void vf_mac_request(struct buf *out, uint32_t seq, uint32_t interface, uint32_t vf,
		    const struct identity *identity)
{
	size_t start = out->length;
	size_t list;
	size_t info;
	size_t at;

	header(out, RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, seq, interface);
	list = attribute_begin(out, IFLA_VFINFO_LIST | NLA_F_NESTED);
	info = attribute_begin(out, IFLA_VF_INFO | NLA_F_NESTED);
	at = attribute_begin(out, IFLA_VF_MAC);
	buf_le32(out, vf);
	for (int i = MAC_BYTES - 1; i >= 0; i--)
		buf_u8(out, (uint8_t)(identity->mac >> 8 * i));
	for (int i = MAC_BYTES; i < 32; i++) /* struct ifla_vf_mac */
		buf_u8(out, 0);
	attribute_end(out, at);
	at = attribute_begin(out, IFLA_VF_VLAN);
	buf_le32(out, vf);
	buf_le32(out, identity->vlan);
	buf_le32(out, 0); /* priority */
	attribute_end(out, at);
	attribute_end(out, info);
	attribute_end(out, list);
	length_set(out, start, 4);
}

/* ---- reading ---- */

struct attribute {
	uint16_t type;
	struct cursor body;
};

/* False: none is left. A length that cannot be makes @c overrun. */
static bool attribute_next(struct cursor *c, struct attribute *out)
{
	uint16_t length;

	if (c->overrun || c->at == c->end)
		return false;
	length = cursor_le16(c);
	out->type = (uint16_t)(cursor_le16(c) & 0x3fff); /* NLA_TYPE_MASK */
	if (c->overrun || length < 4 || (size_t)(c->end - c->at) < length - 4u) {
		c->overrun = true;
		return false;
	}
	out->body = (struct cursor){ .at = c->at, .end = c->at + length - 4 };
	length = (uint16_t)((length + 3) & ~3);
	/* the last one may come without its padding */
	c->at += (size_t)(c->end - c->at) < length - 4u ? (size_t)(c->end - c->at) : length - 4u;
	return true;
}

/* True when this IFLA_VF_INFO is of @vf. */
static bool info_parse(struct cursor *c, uint32_t vf, struct identity *out)
{
	struct attribute a;
	bool found = false;

	while (attribute_next(c, &a)) {
		uint32_t of = cursor_le32(&a.body);

		if (of != vf || a.body.overrun)
			continue;
		if (a.type == IFLA_VF_MAC) {
			out->mac = 0;
			for (int i = 0; i < MAC_BYTES; i++)
				out->mac = out->mac << 8 | cursor_u8(&a.body);
			found = !a.body.overrun;
		} else if (a.type == IFLA_VF_VLAN) {
			uint32_t vlan = cursor_le32(&a.body);

			out->vlan = a.body.overrun || vlan > 4094 ? 0 : (uint16_t)vlan;
		}
	}
	return found;
}

int vf_mac_parse(const uint8_t *bytes, size_t length, uint32_t vf, struct identity *out)
{
	struct cursor c = { .at = bytes, .end = bytes + length };
	struct identity id = { 0 };
	struct attribute link;
	struct attribute info;
	bool found = false;

	if (length < sizeof(struct nlmsghdr) + sizeof(struct ifinfomsg) ||
	    cursor_le32(&c) != length || cursor_le16(&c) != RTM_NEWLINK)
		return -EBADMSG;
	c.at = bytes + sizeof(struct nlmsghdr) + sizeof(struct ifinfomsg);
	while (!found && attribute_next(&c, &link)) {
		if (link.type != IFLA_VFINFO_LIST)
			continue;
		while (!found && attribute_next(&link.body, &info))
			if (info.type == IFLA_VF_INFO) {
				id = (struct identity){ 0 };
				found = info_parse(&info.body, vf, &id);
				c.overrun |= info.body.overrun;
			}
		c.overrun |= link.body.overrun;
	}
	if (c.overrun)
		return -EBADMSG;
	if (!found)
		return REFUSE_NO_VF;
	*out = id;
	return 0;
}

/* ---- the socket ---- */

static int open_link(void)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	const struct timeval patience = { .tv_sec = 60 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience))) {
		int r = -errno;

		(void)close(fd); /* the error is what counts */
		return r;
	}
	return fd;
}

/* One message to @bytes that is the kernel's answer to @seq; its length, or -errno. */
static ssize_t answer_get(int fd, uint32_t seq, uint8_t *bytes)
{
	for (int i = 0; i < ANSWERS_MAX; i++) {
		ssize_t n = recv(fd, bytes, VF_MAC_ANSWER_MAX, MSG_TRUNC);
		struct cursor c = { .at = bytes, .end = bytes + (n > 0 ? n : 0) };

		if (n < 0)
			return -errno;
		if (n > VF_MAC_ANSWER_MAX || n < (ssize_t)sizeof(struct nlmsghdr))
			return -EBADMSG;
		c.at += 8;
		if (cursor_le32(&c) == seq)
			return n;
	}
	return -EBADMSG;
}

/* Sends @b and takes one answer. Return: its length; -errno, the kernel's if it is an error; 0 for
 * an acknowledgement. */
static ssize_t talk(const struct buf *b, uint32_t seq, uint8_t *bytes)
{
	struct cursor c = { .at = bytes, .end = bytes + VF_MAC_ANSWER_MAX };
	int fd = b->failed ? -ENOMEM : open_link();
	ssize_t n;

	if (fd < 0)
		return fd;
	n = send(fd, b->data, b->length, 0) < 0 ? -errno : answer_get(fd, seq, bytes);
	(void)close(fd); /* nothing is left in it */
	if (n < 0)
		return n;
	c.at += 4;
	if (cursor_le16(&c) != NLMSG_ERROR)
		return n;
	if (n < (ssize_t)sizeof(struct nlmsghdr) + 4)
		return -EBADMSG;
	c.at = bytes + sizeof(struct nlmsghdr);
	return (int32_t)cursor_le32(&c);
}

int vf_mac_get(uint32_t interface, uint32_t vf, struct identity *out)
{
	OWNED(buf_done) struct buf b = { 0 };
	uint8_t *bytes = calloc(1, VF_MAC_ANSWER_MAX);
	size_t at;
	ssize_t n;
	int r;

	if (!bytes)
		return -ENOMEM;
	header(&b, RTM_GETLINK, NLM_F_REQUEST, 1, interface);
	at = attribute_begin(&b, IFLA_EXT_MASK);
	buf_le32(&b, RTEXT_FILTER_VF);
	attribute_end(&b, at);
	length_set(&b, 0, 4);
	n = talk(&b, 1, bytes);
	r = n < 0 ? (int)n : vf_mac_parse(bytes, (size_t)n, vf, out);
	free(bytes);
	return r;
}

int vf_mac_set(uint32_t interface, uint32_t vf, const struct identity *identity)
{
	OWNED(buf_done) struct buf b = { 0 };
	const struct identity wanted = { .mac = identity->mac, .vlan = identity->vlan };
	uint8_t *bytes = calloc(1, VF_MAC_ANSWER_MAX);
	struct identity now;
	ssize_t n;
	int r;

	if (!bytes)
		return -ENOMEM;
	vf_mac_request(&b, 1, interface, vf, identity);
	n = talk(&b, 1, bytes);
	free(bytes);
	if (n)
		return n < 0 ? (int)n : -EBADMSG;
	r = vf_mac_get(interface, vf, &now);
	if (r)
		return r < 0 ? r : -EIO;
	return identity_is_equal(&now, &wanted) ? 0 : -EIO;
}
