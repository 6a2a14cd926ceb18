/* How a program in TypeScript uses the client; compiled with --strict, never run. */

import { connect, parser, type Gap, type Message, type SendError, type State, type Stream } from '../../public/rowcast.js';

const stream: Stream = connect({
	url: new URL('https://example.org/events'),
	getToken: async ({ reason }) => (reason === 'renew' ? 'a' : 'b'),
	topics: ['prices'] as const,
	since: '10m', last: 5, lastEventId: 7, shared: true, storage: null,
});
connect();
connect({ token: 'a', getToken: () => null, storage: 'session' });

stream.addEventListener('message', (e) => { const text: string = e.data + (e.topic ?? '') + e.lastEventId; return text; });
stream.addEventListener('prices', (e) => { const name: string | null = e.event; return name; }, { once: true });
stream.addEventListener('gap', (e: Gap) => e.reason === 'ahead');
stream.addEventListener('state', () => { const state: State = stream.state; return state === 'live' && stream.retryAt; });
stream.addEventListener('expired', (e) => e.reason.length);
stream.addEventListener('end', (e: Message) => e.topic);

export async function read(): Promise<number> {
	for await (const e of stream) if (e.data === 'end') break;
	try {
		const { id } = await stream.send({ msg: 'a', topic: 'prices', all: 1 });
		return id;
	} catch (e) {
		return (e as SendError).status;
	} finally {
		stream.close();
	}
}

const events = parser((ms) => ms + 1)(new Uint8Array());
export const first: string | undefined = events[0]?.data;

// @ts-expect-error a state is not to be set
stream.state = 'live';
// @ts-expect-error there is no such option
connect({ topic: 'prices' });
// @ts-expect-error nor such a storage
connect({ storage: 'local' });
// @ts-expect-error a gap has no data
stream.addEventListener('gap', (e) => e.data);
