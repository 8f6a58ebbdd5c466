/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

enum { CONNECT_MS = 5000, PATIENCE_MS = 1000 };

struct http {
	CURL *curl;
	char *socket;
	char error[CURL_ERROR_SIZE];
};

struct transfer {
	struct http *http;
	const struct http_request *request;
	struct http_answer *answer;
	uint64_t started_ms;
	uint64_t said_s; /* seconds on the line that stands on the terminal; 0: no line */
	bool too_large;
};

int http_new(const char *socket, struct http **out)
{
	OWNED(http_free) struct http *h = NULL;

	if (strlen(socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return -ENAMETOOLONG;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->socket = strdup(socket);
	h->curl = curl_easy_init();
	if (!h->socket || !h->curl)
		return -ENOMEM;
	*out = TAKE(h);
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h->socket);
	free(h);
}

void http_answer_done(struct http_answer *a)
{
	buf_done(&a->body);
	*a = (struct http_answer){ 0 };
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t length = size * count;
	long status = 0;

	curl_easy_getinfo(t->http->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->request->stream && status == 200)
		return t->request->stream(bytes, length, t->request->stream_arg) ? 0 : length;
	if (t->answer->body.length + length > HTTP_ANSWER_MAX) {
		t->too_large = true;
		return 0;
	}
	buf_bytes(&t->answer->body, bytes, length);
	return t->answer->body.failed ? 0 : length;
}

/* @out gets the value of the header, up to @stop, where @line is the header @name. */
static void header_copy(const char *line, size_t length, const char *name, const char *stop,
			char *out, size_t size)
{
	size_t n = strlen(name);
	size_t used = 0;

	if (length <= n || strncasecmp(line, name, n) || line[n] != ':')
		return;
	for (n++; n < length && line[n] == ' '; n++)
		;
	while (n < length && !strchr(stop, line[n]) && used < size - 1)
		out[used++] = line[n++];
	out[used] = '\0';
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct http_answer *a = ((struct transfer *)arg)->answer;

	header_copy(line, size * count, "Content-Type", "; \r\n", a->type, sizeof(a->type));
	header_copy(line, size * count, "Location", "\r\n", a->location, sizeof(a->location));
	return size * count;
}

static void patience_clear(struct transfer *t)
{
	if (t->said_s)
		(void)fputs("\r\033[K", stderr); /* a line for the eye alone */
	t->said_s = 0;
}

static int on_progress(void *arg, curl_off_t down, curl_off_t downed, curl_off_t up,
		       curl_off_t upped)
{
	struct transfer *t = arg;
	uint64_t waited_ms = clock_boot_ms() - t->started_ms;

	(void)down;
	(void)downed;
	(void)up;
	(void)upped;
	if (waited_ms < PATIENCE_MS || waited_ms / 1000 == t->said_s)
		return 0;
	t->said_s = waited_ms / 1000;
	(void)fprintf(stderr, "\r\033[Kwaiting for %s ... %d s", t->request->waiting_for,
		      (int)t->said_s);
	return 0;
}

static struct curl_slist *headers_make(const struct http_request *request)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	if (request->body)
		list = curl_slist_append(list, "Content-Type: application/json");
	for (size_t i = 0; request->headers && request->headers[i]; i++)
		list = curl_slist_append(list, request->headers[i]);
	return list;
}

static void transfer_setup(struct transfer *t, const char *url, struct curl_slist *headers)
{
	const struct http_request *request = t->request;
	CURL *curl = t->http->curl;
	long timeout_ms = request->timeout_ms ? request->timeout_ms : HTTP_TIMEOUT_MS;

	curl_easy_reset(curl); /* keeps the connection */
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, t->http->socket);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "fabricctl/" FABRIC_VERSION);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms < 0 ? 0L : timeout_ms);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->http->error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
	if (request->body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
	if (request->method)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (request->waiting_for && isatty(STDERR_FILENO)) {
		curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
	}
}

static int connect_error(CURL *curl)
{
	long error = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	return error ? -(int)error : -ECONNREFUSED;
}

static int result_of(const struct transfer *t, CURLcode code)
{
	switch ((int)code) {
	case CURLE_OK:
		return t->answer->body.failed ? -ENOMEM : 0;
	case CURLE_COULDNT_CONNECT:
		return connect_error(t->http->curl);
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_WRITE_ERROR:
		if (t->too_large)
			return -EMSGSIZE;
		return t->answer->body.failed ? -ENOMEM : -ECANCELED;
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		return -ECONNRESET;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

int http_call(struct http *h, const struct http_request *request, struct http_answer *answer)
{
	struct transfer t = { .http = h, .request = request, .answer = answer };
	OWNED(buf_done) struct buf url = { 0 };
	struct curl_slist *headers;
	CURLcode code;

	http_answer_done(answer);
	buf_printf(&url, "http://localhost%s", request->target);
	headers = headers_make(request);
	if (url.failed || !headers) {
		curl_slist_free_all(headers);
		return -ENOMEM;
	}
	transfer_setup(&t, (const char *)url.data, headers);
	t.started_ms = clock_boot_ms();
	code = curl_easy_perform(h->curl);
	patience_clear(&t);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_slist_free_all(headers);
	return result_of(&t, code);
}
