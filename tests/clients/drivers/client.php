<?php
/* Symfony's EventSourceHttpClient, as Debian has it.
 *
 *     php client.php URL TOKEN header|cookie|none [plain]
 *
 * Unless it is plain, it is connected again after a clean end, from the last id. */
require '/usr/share/php/Symfony/Component/HttpClient/autoload.php';

use Symfony\Component\HttpClient\Chunk\ServerSentEvent;
use Symfony\Component\HttpClient\EventSourceHttpClient;
use Symfony\Contracts\HttpClient\Exception\ExceptionInterface;

function say(array $fact): void
{
	echo json_encode($fact), "\n";
}

[, $url, $token, $via] = $argv;
$headers = ['header' => ['Authorization' => "Bearer $token"], 'cookie' => ['Cookie' => "rowcast_token=$token"], 'none' => []][$via];
$client = new EventSourceHttpClient(null, 1.0);

try {
	do {
		$again = false;
		$source = $client->connect($url, ['headers' => $headers]);
		foreach ($client->stream($source) as $chunk) {
			if ($chunk->isTimeout())
				continue;
			if ($chunk->isFirst())
				$status = $source->getStatusCode();
			if ($chunk instanceof ServerSentEvent)
				say(['event' => $chunk->getType(), 'data' => $chunk->getData(), 'id' => $chunk->getId()]);
			if ($chunk->isLast() && $status === 200 && !isset($argv[4])) {
				if (($id = $source->getInfo('last_event_id') ?? '') !== '')
					$headers['Last-Event-ID'] = $id;
				usleep((int) (($source->getInfo('reconnection_time') ?? 1.0) * 1e6));
				$again = true;
			}
		}
	} while ($again);
} catch (ExceptionInterface $e) {
	fwrite(STDERR, get_class($e) . ': ' . $e->getMessage() . "\n");
}
say(['closed' => true]);
