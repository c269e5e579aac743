// Fetches the upper part of the dashboard again and again, while somebody can see it.
"use strict";

(() => {
    const part = document.getElementById("live");
    if (!part) return;

    const renew = async () => {
        // Whoever is in the middle of it, by keyboard or by selecting text, is not disturbed.
        const busy = part.contains(document.activeElement) || String(getSelection()) !== "";
        if (document.hidden || busy) return;
        try {
            const answer = await fetch(part.dataset.url, {redirect: "error", credentials: "same-origin"});
            if (answer.ok) part.innerHTML = await answer.text();
        } catch {
            // The service restarts, or the session has ended: what was shown last stays, with its time.
        }
    };
    setInterval(renew, 1000 * Number(part.dataset.every));
})();
