#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/fault.h"
#include "tests/unit/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/fastcgi/listener.h"
#include "lib/mem.h"

static struct conf conf;
static const char *path;   /* what conf.listen names */
static struct listener listener;

/* ---- verbs ---- */

static void
begin(const char *const lines[])
{
	conf_of(&conf, lines);
	path = conf.listen + strlen("unix:");
}

static void
end(void)
{
	conf_free(&conf);
}

static void
opens(void)
{
	capture_begin();
	if (listener_open(&listener, &conf) < 0)
		fail_msg("refused: %s", capture_end());
	capture_end();  /* it may say that a socket was passed */
	assert_true(fcntl(listener.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(listener.fd, F_GETFD) & FD_CLOEXEC);
}

/* refused returns what the log says. */
static const char *
refused(void)
{
	const char *said;
	int result;

	capture_begin();
	result = listener_open(&listener, &conf);
	said = capture_end();
	assert_int_equal(result, -1);
	return said;
}

/* closes does what intake and then listener_close do. */
static void
closes(void)
{
	close(listener.fd);
	listener_close(&listener);
}

static bool
answers(void)
{
	int fd = listener_connect(conf.listen);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool
is_there(void)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* bound returns a socket of that type bound to the path. */
static int
bound(int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* ---- unix sockets ---- */

TEST(a_unix_socket_is_made_answers_and_is_removed)
{
	begin(NULL);
	assert_false(is_there());
	opens();
	assert_string_equal(listener.path, path);
	assert_true(answers());
	closes();
	assert_null(listener.path);
	assert_false(is_there());
	end();
}

TEST(the_mode_is_what_is_asked_for_whatever_the_umask)
{
	static const struct { const char *line; mode_t mode; } cases[] = {
		{ "listen_mode = 0660", 0660 }, { "listen_mode = 0600", 0600 },
		{ "listen_mode = 0666", 0666 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		mode_t before = umask(i % 2 == 0 ? 077 : 0);
		struct stat st;

		begin(LIST(cases[i].line));
		opens();
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, cases[i].mode);
		assert_int_equal(umask(before), i % 2 == 0 ? 077 : 0);
		closes();
		end();
	}
}

/* The group of that name, in which nobody of these tests is. */
static gid_t
gid_of(const char *name)
{
	gid_t gid;

	assert_true(setting_find_group(name, &gid));
	return gid;
}

TEST(a_socket_is_given_to_the_group_that_is_asked_for)
{
	struct stat st;

	if (geteuid() != 0)
		return;
	begin(LIST("listen_group = daemon", "listen_mode = 0620"));
	opens();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, gid_of("daemon"));
	assert_int_equal(st.st_mode & 07777, 0620);
	assert_true(answers());
	closes();
	end();
	begin(LIST("listen_group = 12345"));
	opens();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, 12345);
	closes();
	end();
}

/* As nobody, in a folder of nobody's. */
static void
give_away_in_vain(void)
{
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		abort();
	if (listener_open(&listener, &conf) == 0 || is_there())
		leave(1);
	if (listener_look(&conf) != -1)
		leave(1);
}

TEST(a_group_that_we_are_not_in_is_told_with_what_helps)
{
	char *folder;

	begin(LIST("listen_group = daemon"));
	folder = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
	if (geteuid() == 0)
		assert_int_equal(chown(folder, 65534, 65534), 0);
	ends(give_away_in_vain, 0, ": cannot be given to the group daemon (listen_group): only root may, or"
	    " who is in it: `usermod -aG daemon USER`");
	if (geteuid() == 0)
		assert_int_equal(chown(folder, 0, 0), 0);
	free(folder);
	end();
}

TEST(a_group_that_is_gone_since_it_was_read_is_said)
{
	begin(NULL);
	conf.listen_group = mem_strdup("no-such-group");
	assert_says(refused(), "there is no group no-such-group any more\n");
	assert_false(is_there());
	end();
}

/* As nobody, in a folder of root's. */
static void
open_in_vain(void)
{
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		abort();
	if (listener_open(&listener, &conf) == 0)
		leave(1);
}

TEST(a_folder_that_is_not_ours_to_write_is_told_with_whose_it_is)
{
	char *folder, *words;

	begin(NULL);
	folder = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
	assert_int_equal(chmod(folder, 0555), 0);
	words = mem_printf("listen: %s: its folder %s cannot be written: Permission denied: it belongs"
	    " to ", path, folder);
	ends(open_in_vain, 0, words);
	ends(open_in_vain, 0, " with mode 0555, and this is ");
	assert_int_equal(chmod(folder, 0700), 0);
	free(words);
	free(folder);
	end();
}

TEST(a_socket_that_nobody_listens_on_any_more_is_replaced)
{
	int fd;

	begin(NULL);
	fd = bound(SOCK_STREAM);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	assert_true(is_there());
	opens();
	assert_true(answers());
	closes();
	end();
}

TEST(a_socket_that_somebody_listens_on_is_left_alone)
{
	struct listener first;

	begin(NULL);
	opens();
	first = listener;
	assert_says(refused(), "another program is listening there");
	assert_true(answers());
	listener = first;
	closes();
	end();
}

TEST(a_living_socket_of_another_type_is_left_alone)
{
	int fd;

	begin(NULL);
	fd = bound(SOCK_DGRAM);
	assert_says(refused(), path);
	assert_true(is_there());
	close(fd);
	unlink(path);
	end();
}

TEST(a_backlog_that_is_full_is_taken_for_a_living_listener)
{
	struct peer peer;
	int fd;

	begin(NULL);
	fd = bound(SOCK_STREAM);
	assert_int_equal(listen(fd, 0), 0);
	peer_connect(&peer, path);
	assert_says(refused(), "another program is listening there");
	hang_up(&peer);
	close(fd);
	unlink(path);
	end();
}

TEST(what_is_no_socket_is_left_alone)
{
	int fd;

	begin(NULL);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_says(refused(), "is there and is not a socket");
	assert_true(is_there());
	unlink(path);
	assert_int_equal(symlink("/nowhere/at/all", path), 0);
	assert_says(refused(), "is there and is not a socket");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_says(refused(), "is there and is not a socket");
	rmdir(path);
	end();
}

TEST(a_folder_that_is_not_there_is_said)
{
	begin(LIST("listen = unix:/nowhere/at/all/socket"));
	assert_says(refused(), "/nowhere/at/all/socket");
	end();
}

TEST(without_descriptors_it_is_said_and_nobody_is_blamed)
{
	begin(NULL);
	for (int i = 0; i < 2; i++) {
		const char *said;
		rlim_t before;

		capture_begin();
		before = no_descriptors();
		assert_int_equal(listener_open(&listener, &conf), -1);
		limit(RLIMIT_NOFILE, before);
		said = capture_end();
		assert_says(said, "Too many open files\n");
		assert_null(strstr(said, "another program"));
		assert_null(strstr(said, "Bad file descriptor"));
		if (i == 0)
			close(bound(SOCK_STREAM));  /* which is found there next */
	}
	opens();
	closes();
	end();
}

TEST(a_path_that_no_socket_can_have_is_refused)
{
	begin(NULL);
	free(conf.listen);
	conf.listen = mem_printf("unix:/%0107d", 0);
	assert_says(refused(), "is too long for a socket's path\n");
	assert_int_equal(listener_connect(conf.listen), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	end();
}

/* In a folder that it may not write, as a user who is not root. */
static void
replace_in_vain(void)
{
	uid_t user = geteuid();
	int result;

	if (user == 0 && seteuid(65534) < 0)
		return;
	result = listener_open(&listener, &conf);
	if (seteuid(user) == 0 && result < 0)
		leave(1);
}

TEST(a_deserted_socket_that_cannot_be_removed_is_said)
{
	char *folder;

	begin(NULL);
	close(bound(SOCK_STREAM));
	assert_int_equal(chmod(path, 0777), 0);
	folder = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
	assert_int_equal(chmod(folder, 0555), 0);
	ends(replace_in_vain, EXIT_1, "cannot be replaced: Permission denied\n");
	assert_int_equal(chmod(folder, 0700), 0);
	assert_true(is_there());
	unlink(path);
	free(folder);
	end();
}

TEST(a_successor_s_socket_is_not_removed)
{
	struct listener first;

	begin(NULL);
	opens();
	first = listener;
	close(first.fd);
	opens();
	capture_begin();
	listener_close(&first);
	assert_string_equal(capture_end(), "");
	assert_true(is_there());
	assert_true(answers());
	closes();
	assert_false(is_there());
	end();
}

/* ---- TCP ---- */

TEST(a_tcp_port_listens_and_is_refused_where_it_is_taken)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	struct listener first;
	char *line;

	begin(LIST("listen = 127.0.0.1:1"));
	/* The kernel picks the port: a number of ours may be taken. */
	free(conf.listen);
	conf.listen = mem_strdup("127.0.0.1:0");
	opens();
	assert_null(listener.path);
	first = listener;
	assert_int_equal(getsockname(first.fd, (struct sockaddr *)&address, &len), 0);
	end();
	line = mem_printf("listen = 127.0.0.1:%u", ntohs(address.sin_port));
	begin(LIST(line));
	assert_true(answers());
	assert_says(refused(), "127.0.0.1:");
	close(first.fd);
	assert_false(answers());
	assert_int_equal(errno, ECONNREFUSED);
	end();
	free(line);
}

TEST(an_ipv6_address_stands_in_brackets)
{
	begin(LIST("listen = [::1]:1"));
	free(conf.listen);
	conf.listen = mem_strdup("[::1]:0");
	capture_begin();
	if (listener_open(&listener, &conf) == 0) {
		capture_end();
		closes();
	} else {
		/* A machine without IPv6 knows the address all the same. */
		assert_null(strstr(capture_end(), "Name or service not known"));
	}
	end();
}

/* ".invalid" is nobody's (RFC 2606); asked or not, there is no such host. */
TEST(a_host_that_is_not_known_is_said)
{
	begin(LIST("listen = no-such-host.invalid:9000"));
	assert_says(refused(), "listen: no-such-host.invalid:9000: ");
	capture_begin();
	assert_int_equal(listener_connect(conf.listen), -1);
	assert_int_equal(errno, EADDRNOTAVAIL);
	capture_end();
	end();
}

/* ---- sockets that are passed ---- */

/* pass puts a listening socket at that descriptor and returns what was there. */
static int
pass(int fd, int listening)
{
	int kept = fcntl(fd, F_DUPFD_CLOEXEC, 10);

	assert_true(dup2(listening, fd) == fd);
	return kept;
}

static void
take_back(int fd, int kept)
{
	if (kept >= 0) {
		assert_true(dup2(kept, fd) == fd);
		close(kept);
	} else {
		close(fd);
	}
}

/* listening_elsewhere listens where conf does not. */
static int
listening_elsewhere(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };  /* autobind */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), high;

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 5), 0);
	high = fcntl(fd, F_DUPFD_CLOEXEC, 20);
	close(fd);
	return high;
}

TEST(a_socket_on_descriptor_0_is_used)
{
	int fd = listening_elsewhere(), kept;

	begin(NULL);
	kept = pass(STDIN_FILENO, fd);
	opens();
	assert_int_equal(listener.fd, STDIN_FILENO);
	assert_null(listener.path);
	assert_false(is_there());
	listener_close(&listener);
	take_back(STDIN_FILENO, kept);
	close(fd);
	end();
}

TEST(what_systemd_passes_is_used)
{
	int fd = listening_elsewhere(), kept;
	char *pid = mem_printf("%ld", (long)getpid());

	begin(NULL);
	kept = pass(3, fd);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	opens();
	assert_int_equal(listener.fd, 3);
	assert_false(is_there());
	listener_close(&listener);
	/* Of another process, or none: it is not ours. */
	setenv("LISTEN_PID", "1", 1);
	opens();
	assert_true(is_there());
	closes();
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "0", 1);
	opens();
	assert_true(is_there());
	closes();
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	take_back(3, kept);
	close(fd);
	free(pid);
	end();
}

TEST(a_descriptor_0_that_does_not_listen_is_not_used)
{
	struct peer peer;
	int fd = peer_pair(&peer), kept;

	begin(NULL);
	kept = pass(STDIN_FILENO, fd);
	opens();
	assert_int_not_equal(listener.fd, STDIN_FILENO);
	closes();
	take_back(STDIN_FILENO, kept);
	close(fd);
	hang_up(&peer);
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_unix_socket_is_made_answers_and_is_removed),
	cmocka_unit_test(the_mode_is_what_is_asked_for_whatever_the_umask),
	cmocka_unit_test(a_socket_is_given_to_the_group_that_is_asked_for),
	cmocka_unit_test(a_group_that_we_are_not_in_is_told_with_what_helps),
	cmocka_unit_test(a_group_that_is_gone_since_it_was_read_is_said),
	cmocka_unit_test(a_folder_that_is_not_ours_to_write_is_told_with_whose_it_is),
	cmocka_unit_test(a_socket_that_nobody_listens_on_any_more_is_replaced),
	cmocka_unit_test(a_socket_that_somebody_listens_on_is_left_alone),
	cmocka_unit_test(a_living_socket_of_another_type_is_left_alone),
	cmocka_unit_test(a_backlog_that_is_full_is_taken_for_a_living_listener),
	cmocka_unit_test(what_is_no_socket_is_left_alone),
	cmocka_unit_test(a_folder_that_is_not_there_is_said),
	cmocka_unit_test(without_descriptors_it_is_said_and_nobody_is_blamed),
	cmocka_unit_test(a_path_that_no_socket_can_have_is_refused),
	cmocka_unit_test(a_deserted_socket_that_cannot_be_removed_is_said),
	cmocka_unit_test(a_successor_s_socket_is_not_removed),
	cmocka_unit_test(a_tcp_port_listens_and_is_refused_where_it_is_taken),
	cmocka_unit_test(an_ipv6_address_stands_in_brackets),
	cmocka_unit_test(a_host_that_is_not_known_is_said),
	cmocka_unit_test(a_socket_on_descriptor_0_is_used),
	cmocka_unit_test(what_systemd_passes_is_used),
	cmocka_unit_test(a_descriptor_0_that_does_not_listen_is_not_used),
};

RUN_TESTS(tests)
