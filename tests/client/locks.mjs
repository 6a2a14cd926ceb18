/* Web Locks for the workers of a test, where Node has none: the main thread grants. */

/** The main thread's part: one queue a name. */
export class Locks {
  queues = new Map();

  attach(worker) {
    worker.on('message', (m) => {
      const queue = this.queues.get(m.name) ?? [];
      if (m.lock === 'request') {
        if (m.steal) {
          const robbed = queue.shift();
          robbed?.worker.postMessage({ lock: 'stolen', id: robbed.id });
          queue.unshift({ worker, id: m.id });
        } else {
          queue.push({ worker, id: m.id });
        }
        this.queues.set(m.name, queue);
        if (queue.length === 1 || m.steal) this.grant(m.name);
      } else if (m.lock === 'release') {
        this.remove((x) => x.worker === worker && x.id === m.id);
      }
    });
    worker.on('exit', () => this.remove((x) => x.worker === worker));
  }

  grant(name) {
    const [first] = this.queues.get(name);
    first?.worker.postMessage({ lock: 'granted', id: first.id });
  }

  remove(which) {
    for (const [name, queue] of this.queues) {
      const [first] = queue;
      this.queues.set(name, queue.filter((x) => !which(x)));
      if (first && which(first)) this.grant(name);
    }
  }

  holder(part) {
    for (const [name, [first]] of this.queues) if (first && name.includes(part)) return first.worker;
  }
}

/** navigator.locks of a worker. */
export function locksOver(port) {
  let last = 0;
  const waiting = new Map();
  port.on('message', (m) => {
    const request = waiting.get(m.id);
    if (m.lock === 'granted') request?.granted();
    if (m.lock === 'stolen') request?.fail(new DOMException('stolen', 'AbortError'));
  });
  return {
    request(name, { signal, steal }, act) {
      const id = ++last;
      return new Promise((done, fail) => {
        const end = () => {
          waiting.delete(id);
          port.postMessage({ lock: 'release', name, id });
        };
        let granted = false;
        signal?.addEventListener('abort', () => {
          if (granted) return;
          end();
          fail(signal.reason);
        });
        waiting.set(id, {
          fail,
          async granted() {
            granted = true;
            try { done(await act({ name })); } catch (e) { fail(e); }
            end();
          },
        });
        port.postMessage({ lock: 'request', name, id, steal });
      });
    },
  };
}
