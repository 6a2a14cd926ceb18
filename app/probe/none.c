/* What a probe is in a program that was built without libcurl (./configure
 * --without-curl). */

#include <stdio.h>

#include "app/probe/probe.h"

const char *
probe_built_with(void)
{
	return "without libcurl, so without probe";
}

int
probe_run(const char *url __attribute__((unused)), const char *token __attribute__((unused)),
    const char *user __attribute__((unused)), int64_t silence_ms __attribute__((unused)))
{
	fputs("rowcast probe: this rowcast was built without libcurl: install libcurl4-openssl-dev, and"
	    " ./configure and build it again\n", stderr);
	return 2;
}
