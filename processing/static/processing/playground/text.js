// What strangers wrote, as text that shows and does nothing else.
"use strict";

(() => {
    const playground = (window.Playground = {}); // not in lower case, which is the element of that id

    // As `rendering.visible` does: characters that hide or reorder others are spelled out.
    const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u202a-\u202e\u2066-\u2069\ufeff]/g;
    const spelled = (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;

    playground.hidden = HIDDEN;
    playground.spelled = spelled;
    playground.visible = (text) => String(text).replace(/\r\n?/g, "\n").replace(HIDDEN, spelled);

    // An element with text in it; nothing here is ever read as markup.
    playground.element = (name, text, attributes = {}) => {
        const made = document.createElement(name);
        made.textContent = playground.visible(text);
        for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
        return made;
    };
})();
