/* SPDX-License-Identifier: Apache-2.0 */
#include "http/message.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"

static int bad(struct message *m, int status, const char *why)
{
	m->status = status;
	m->why = why;
	return -1;
}

/* RFC 9110 section 5.6.2; one bit for each of the characters below 128 */
static bool token_valid(const char *s, size_t n)
{
	static const uint32_t token[4] = { 0x00000000, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff };

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c > 127 || !(token[c >> 5] >> (c & 31) & 1))
			return false;
	}
	return n > 0;
}

/* --- the parser's calls ---------------------------------------------------- */

static int on_url(llhttp_t *p, const char *at, size_t n)
{
	struct message *m = CONTAINER_OF(p, struct message, parser);

	if (!m->target)
		m->target = (char *)(uintptr_t)at;
	m->target_n = (size_t)(at + n - m->target);
	return 0;
}

/* Chunk extensions and trailer fields are read over, but not for ever. */
static int extra_count(struct message *m, size_t n)
{
	m->extra_n += n;
	return m->extra_n > m->limits->headers
		       ? bad(m, 431, "trailer fields or chunk extensions are too large")
		       : 0;
}

static int on_extension(llhttp_t *p, const char *at, size_t n)
{
	(void)at;
	return extra_count(CONTAINER_OF(p, struct message, parser), n);
}

static int on_header_field(llhttp_t *p, const char *at, size_t n)
{
	struct message *m = CONTAINER_OF(p, struct message, parser);

	if (m->headers_n == m->limits->header_count) {
		bad(m, 431, "too many header fields");
		return -1;
	}
	if (m->headers_n == m->headers_cap) {
		m->headers_cap = m->headers_cap ? m->headers_cap * 2 : 16;
		m->headers = xrealloc(m->headers, m->headers_cap * sizeof *m->headers);
		m->spans = xrealloc(m->spans, m->headers_cap * sizeof *m->spans);
	}
	m->headers[m->headers_n] = (struct http_pair) { at, NULL };
	m->spans[m->headers_n++] = (struct message_span) { (uint32_t)n, 0 };
	return 0;
}

static int on_header_value(llhttp_t *p, const char *at, size_t n)
{
	struct message *m = CONTAINER_OF(p, struct message, parser);
	size_t i = m->headers_n - 1;

	if (!m->headers[i].value)
		m->headers[i].value = at;
	m->spans[i].value_n = (uint32_t)(at + n - m->headers[i].value);
	return 0;
}

static int on_headers_complete(llhttp_t *p)
{
	struct message *m = CONTAINER_OF(p, struct message, parser);

	m->chunked = p->flags & F_CHUNKED;
	m->content_length = !m->chunked && p->flags & F_CONTENT_LENGTH ? (int64_t)p->content_length : -1;
	m->close = !llhttp_should_keep_alive(p);
	m->in_body = true;
	p->upgrade = 0; /* an offer that is not taken up (RFC 9110 section 7.8) */
	return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
	struct message *m = CONTAINER_OF(p, struct message, parser);

	if (!n)
		return 0;
	m->piece = at;
	m->piece_n = n;
	return HPE_PAUSED;
}

/* What follows the last chunk is checked here: the parser is lenient with it. */
static int on_chunk_header(llhttp_t *p)
{
	struct message *m = CONTAINER_OF(p, struct message, parser);

	m->in_trailer = p->content_length == 0;
	return m->in_trailer ? HPE_PAUSED : 0;
}

static int on_message_complete(llhttp_t *p)
{
	CONTAINER_OF(p, struct message, parser)->complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_chunk_header = on_chunk_header,
	.on_message_complete = on_message_complete,
	.on_chunk_extension_name = on_extension,
	.on_chunk_extension_value = on_extension,
};

void message_init(struct message *m, const struct http_limits *limits)
{
	*m = (struct message) { .limits = limits };
	message_reset(m);
}

void message_finish(struct message *m)
{
	free(m->headers);
	free(m->spans);
	*m = (struct message) { 0 };
}

void message_reset(struct message *m)
{
	llhttp_init(&m->parser, HTTP_REQUEST, &settings);
	m->target = NULL;
	m->target_n = m->headers_n = 0;
	m->line = m->seen = m->request_line_n = m->extra_n = 0;
	m->method = HTTP_OTHER;
	m->content_length = -1;
	m->trailer_line_n = 0;
	m->in_trailer = m->trailer_cr = m->trailer_colon = false;
	m->complete = m->in_body = m->chunked = m->http10 = m->close = m->expect_continue = false;
	m->status = 0;
	m->why = NULL;
}

/* --- the head -------------------------------------------------------------- */

/* One line with its LF. The parser underneath is lenient with line ends and folded lines; here only CR LF
 * ends a line, and a line never continues (RFC 9112 section 5.2). */
static int line_check(struct message *m, const char *line, size_t n)
{
	if (n < 2 || line[n - 2] != '\r')
		return bad(m, 400, "a line does not end with CR LF");
	if (memchr(line, '\r', n - 2) || memchr(line, '\0', n))
		return bad(m, 400, "a control character in the head");
	if (m->request_line_n && (line[0] == ' ' || line[0] == '\t'))
		return bad(m, 400, "a folded header line");
	return 0;
}

static int head_size_check(struct message *m, size_t n)
{
	if (!m->request_line_n)
		return n > m->limits->line ? bad(m, 414, "the request line is too long") : 0;
	if (n - m->request_line_n > m->limits->headers)
		return bad(m, 431, "the header fields are too large");
	return 0;
}

size_t message_head_skip(struct message *m, const char *p, size_t n)
{
	size_t skip = 0;

	while (!m->request_line_n && n - skip >= 2 && !memcmp(p + skip, "\r\n", 2))
		skip += 2;
	if (skip)
		m->seen = m->line = 0;
	return skip;
}

int message_head_find(struct message *m, const char *p, size_t n, size_t *out_n)
{
	*out_n = 0;
	for (;;) {
		const char *lf = memchr(p + m->seen, '\n', n - m->seen);
		size_t end = lf ? (size_t)(lf - p) + 1 : n;

		if (head_size_check(m, end))
			return -1;
		m->seen = end;
		if (!lf)
			return 0;
		if (line_check(m, p + m->line, end - m->line))
			return -1;
		if (end - m->line == 2) {
			if (!m->request_line_n)
				return bad(m, 400, "no request line");
			*out_n = end;
			return 0;
		}
		if (!m->request_line_n)
			m->request_line_n = end;
		m->line = end;
	}
}

/* "GET /path HTTP/1.1\r\n", before the parser sees it: that one takes other protocols and versions, too. */
static int version_check(struct message *m, const char *p)
{
	size_t n = m->request_line_n - 2;
	const char *v = n > 9 ? p + n - 8 : NULL;

	if (!v || memcmp(v - 1, " HTTP/", 6) || v[5] < '0' || v[5] > '9' || v[6] != '.' || v[7] < '0' ||
		v[7] > '9')
		return bad(m, 400, "malformed request line");
	if (v[5] != '1' || v[7] > '1')
		return bad(m, 505, "only HTTP/1.1 is spoken here");
	m->http10 = v[7] == '0';
	return 0;
}

static int parse_failed(struct message *m, const char *p, llhttp_errno_t e)
{
	if (m->status)
		return -1;
	switch (e) {
	case HPE_INVALID_METHOD:
		if (token_valid(p, strcspn(p, " \r")))
			return bad(m, 501, "unknown method");
		return bad(m, 400, "malformed request line");
	case HPE_INVALID_URL:
		return bad(m, 400, "malformed request target");
	case HPE_INVALID_TRANSFER_ENCODING:
		return bad(m, 501, "the only transfer coding known here is chunked");
	case HPE_INVALID_CONTENT_LENGTH:
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		return bad(m, 400, "Content-Length is malformed, repeated, or sent with Transfer-Encoding");
	default:
		return bad(m, 400, m->headers_n ? "malformed header field" : "malformed request");
	}
}

static bool digits_only(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s) && strlen(s) <= 18;
}

/* Which of the framing headers were seen, to find repetitions. */
struct framing {
	unsigned host, length, encoding;
};

static int header_framing(struct message *m, const struct http_pair *h, size_t name_n, struct framing *f)
{
	switch (name_n) {
	case 4:
		if (!strcasecmp(h->name, "host"))
			f->host++;
		break;
	case 6:
		if (strcasecmp(h->name, "expect"))
			break;
		if (strcasecmp(h->value, "100-continue"))
			return bad(m, 417, "the only expectation known here is 100-continue");
		m->expect_continue = true;
		break;
	case 14:
		if (strcasecmp(h->name, "content-length"))
			break;
		if (f->length++ || !digits_only(h->value))
			return bad(m, 400, "Content-Length is malformed or repeated");
		break;
	case 17:
		if (strcasecmp(h->name, "transfer-encoding"))
			break;
		if (f->encoding++ || strcasecmp(h->value, "chunked"))
			return bad(m, 501, "the only transfer coding known here is chunked");
		break;
	default:
		break;
	}
	return 0;
}

/* Ends name and value with NUL; the parser is past them. */
static int header_cut(struct message *m, size_t i)
{
	struct http_pair *h = &m->headers[i];
	char *name = (char *)(uintptr_t)h->name, *value = (char *)(uintptr_t)h->value;
	size_t n = m->spans[i].value_n;

	if (!token_valid(name, m->spans[i].name_n) || name[m->spans[i].name_n] != ':')
		return bad(m, 400, "malformed header field name");
	name[m->spans[i].name_n] = '\0';
	if (!value || !n) {
		h->value = "";
		return 0;
	}
	while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	value[n] = '\0';
	return 0;
}

static int headers_check(struct message *m)
{
	struct framing f = { 0 };

	for (size_t i = 0; i < m->headers_n; i++)
		if (header_cut(m, i) || header_framing(m, &m->headers[i], m->spans[i].name_n, &f))
			return -1;
	if (f.host > 1 || (!f.host && !m->http10))
		return bad(m, 400, "exactly one Host header field is needed");
	if (f.encoding && (f.length || m->http10))
		return bad(m, 400, "Transfer-Encoding with Content-Length or HTTP/1.0");
	if (!!f.encoding != m->chunked || (f.length && m->content_length < 0))
		return bad(m, 400, "the framing of the body is not clear");
	if (m->http10) {
		m->close = true;
		m->expect_continue = false;
	}
	return 0;
}

static int method_find(struct message *m, char *p)
{
	static const struct {
		uint8_t parser;
		enum http_method method;
	} methods[] = {
		{ LLHTTP_GET, HTTP_GET },
		{ LLHTTP_HEAD, HTTP_HEAD },
		{ LLHTTP_POST, HTTP_POST },
		{ LLHTTP_PUT, HTTP_PUT },
		{ LLHTTP_PATCH, HTTP_PATCH },
		{ LLHTTP_DELETE, HTTP_DELETE },
		{ LLHTTP_OPTIONS, HTTP_OPTIONS },
	};
	uint8_t method = llhttp_get_method(&m->parser);

	m->method_name = p;
	m->method = HTTP_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (methods[i].parser == method)
			m->method = methods[i].method;
	if (method == HTTP_CONNECT)
		return bad(m, 501, "CONNECT is not served here");
	return 0;
}

static int request_line_check(struct message *m, char *p)
{
	const char *end = p + m->request_line_n - sizeof " HTTP/1.1\r\n" + 1;

	if (!m->target || m->target == p || m->target[-1] != ' ' || m->target + m->target_n != end)
		return bad(m, 400, "malformed request line");
	if (method_find(m, p))
		return -1;
	m->target[-1] = '\0';
	m->target[m->target_n] = '\0';
	if (!token_valid(p, strlen(p)))
		return bad(m, 400, "malformed request line");
	if (strchr(m->target, '#'))
		return bad(m, 400, "malformed request target");
	return 0;
}

int message_head_parse(struct message *m, char *p, size_t n)
{
	llhttp_errno_t e;

	if (version_check(m, p))
		return -1;
	e = llhttp_execute(&m->parser, p, n);
	if (e == HPE_PAUSED && m->complete)
		llhttp_resume(&m->parser);
	else if (e != HPE_OK)
		return parse_failed(m, p, e);
	if (!m->in_body)
		return bad(m, 400, "malformed request");
	if (request_line_check(m, p) || headers_check(m))
		return -1;
	return 0;
}

/* --- the body -------------------------------------------------------------- */

/* Trailer fields up to the empty line. They are not used, but must be in order. */
static enum message_event trailer(struct message *m, const char *p, size_t n, size_t *used)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		bool fits = m->trailer_cr ? c == '\n' : c == '\r' || c == '\t' || (c >= ' ' && c != 0x7f);

		if (!m->trailer_line_n && (c == ' ' || c == '\t' || c == ':'))
			fits = false;
		if (c == '\n' && m->trailer_line_n && !m->trailer_colon)
			fits = false;
		if (!fits || extra_count(m, 1)) {
			if (!m->status)
				bad(m, 400, "malformed trailer field");
			return MESSAGE_BAD;
		}
		*used = i + 1;
		if (c == '\n' && !m->trailer_line_n) {
			m->complete = true;
			return MESSAGE_END;
		}
		m->trailer_colon = c != '\n' && (m->trailer_colon || c == ':');
		m->trailer_cr = c == '\r';
		m->trailer_line_n = c == '\n' ? 0 : m->trailer_line_n + !m->trailer_cr;
	}
	return MESSAGE_MORE;
}

enum message_event message_body(struct message *m, const char *p, size_t n, size_t *used)
{
	llhttp_errno_t e;

	*used = 0;
	if (m->complete)
		return MESSAGE_END;
	if (m->in_trailer)
		return trailer(m, p, n, used);
	m->piece_n = 0;
	e = llhttp_execute(&m->parser, n ? p : "", n);
	if (e == HPE_OK) {
		*used = n;
		return m->complete ? MESSAGE_END : MESSAGE_MORE;
	}
	if (e != HPE_PAUSED) {
		if (!m->status)
			bad(m, 400, "malformed chunked body");
		return MESSAGE_BAD;
	}
	*used = (size_t)(llhttp_get_error_pos(&m->parser) - p);
	if (m->in_trailer) {
		size_t more = 0;
		enum message_event event = trailer(m, p + *used, n - *used, &more);

		*used += more;
		return event;
	}
	llhttp_resume(&m->parser);
	if (!m->piece_n)
		return MESSAGE_END;
	/* The end is noticed with the last piece, also when nothing follows it. */
	if (*used == n && llhttp_execute(&m->parser, p + n, 0) == HPE_PAUSED)
		llhttp_resume(&m->parser);
	return MESSAGE_PIECE;
}
