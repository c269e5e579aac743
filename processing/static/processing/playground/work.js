// Talks to the API about one task: hands it in, watches it to its end, cancels it.
"use strict";

(() => {
    const playground = window.Playground;
    const AGAIN_AFTER = 3000; // milliseconds until a stream that was refused is asked for again
    const ENDS = ["completed", "failed", "cancelled"];

    // An error of the API: its own sentence, and the fields that are wrong.
    class Problem extends Error {
        constructor(body, status) {
            super(typeof body?.detail === "string" ? body.detail : `The server answered with status ${status}.`);
            this.fields = Object.keys(body?.errors ?? {});
            this.status = status;
            this.retryAfter = body?.retry_after;
        }
    }

    const parsed = (text) => {
        try {
            return JSON.parse(text);
        } catch {
            return null;
        }
    };

    // A reply of the API, or its problem; a connection that fails is a TypeError, as `fetch` has it.
    playground.call = async (url, options = {}) => {
        const reply = await fetch(url, {redirect: "error", credentials: "same-origin", cache: "no-store", ...options});
        if (reply.ok) return reply;
        throw new Problem(parsed(await reply.text()), reply.status);
    };

    playground.LOST = "The connection to the service is lost.";
    playground.sentence = (error) => (error instanceof Problem ? error.message : playground.LOST);

    // Hands the form in; `onSent` hears how much of it has left, as a share. An XMLHttpRequest, because `fetch` does not
    // tell.
    playground.submit = ({url, token, form, onSent, signal}) =>
        new Promise((resolve, reject) => {
            const request = new XMLHttpRequest();
            request.open("POST", url);
            request.setRequestHeader("X-CSRFToken", token);
            request.setRequestHeader("Accept", "application/json");
            request.upload.onprogress = (event) => event.lengthComputable && onSent(event.loaded / event.total);
            request.onload = () => {
                const body = parsed(request.responseText);
                if (request.status === 200 && body?.task_id) resolve(body);
                else reject(new Problem(body, request.status));
            };
            request.onerror = () => reject(new TypeError(playground.LOST));
            request.onabort = () => reject(new DOMException("", "AbortError"));
            signal.addEventListener("abort", () => request.abort());
            request.send(form);
        });

    // Watches a task until it has ended, through lost connections, and returns it as its status is read.
    // `on` hears `status`, `progress` and `delta` with their data, and `lost` and `found` of the connection.
    playground.watch = (url, on) =>
        new Promise((resolve, reject) => {
            let source;
            let lost = false;
            const end = (settle, value) => {
                source.close();
                settle(value);
            };
            const lose = (sentence) => {
                if (!lost) on.lost(sentence); // once, however often it is tried
                lost = true;
            };
            const open = () => {
                source = new EventSource(`${url}/events`);
                source.onopen = () => {
                    if (lost) on.found();
                    lost = false;
                };
                source.onerror = () => {
                    if (source.readyState === EventSource.CLOSED) ask(); // refused, and it will not come back by itself
                    else lose(playground.LOST);
                };
                for (const name of ["status", "progress", "delta"])
                    source.addEventListener(name, (event) => on[name](JSON.parse(event.data)));
                source.addEventListener("done", (event) => end(resolve, JSON.parse(event.data)));
            };
            const ask = async () => {
                let pause = AGAIN_AFTER;
                try {
                    const task = await (await playground.call(url)).json();
                    if (ENDS.includes(task.status)) return end(resolve, task);
                    on.progress(task);
                } catch (error) {
                    const passes = !(error instanceof Problem) || error.status === 429 || error.status >= 500;
                    if (!passes) return end(reject, error);
                    if (error.retryAfter) pause = 1000 * error.retryAfter;
                    lose(playground.sentence(error));
                }
                setTimeout(open, pause);
            };
            open();
        });

    playground.cancel = (url, token) => playground.call(url, {method: "DELETE", headers: {"X-CSRFToken": token}});
})();
