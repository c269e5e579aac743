// Shows the pages of one task's document, one at a time, with the passages marked that its answer rests on.
"use strict";

(() => {
    const playground = window.Playground;
    const [SIDE, LARGER] = [1400, 3000]; // pixels of a picture's longer side
    const AROUND = 0.004; // of a side, between a passage and its mark

    playground.Pages = class {
        #url = "";
        #filename = "";
        #number = 1;
        #count = null; // not known yet
        #passage = null;
        #hasEnded = false;
        #isTurned = false;
        #kept = new Map(); // pictures and places by page
        #asked = 0;
        #before; // what is said where there are no pages

        constructor(part) {
            const found = (id) => part.querySelector(`#play-${id}`);
            [this.back, this.on, this.place] = [found("back"), found("on"), found("place")];
            [this.turn, this.larger] = [found("turn"), found("larger")];
            [this.words, this.picture, this.image, this.marks] =
                [found("page-words"), found("picture"), found("image"), found("marks")];
            this.#before = this.words.textContent;
            this.back.addEventListener("click", () => this.#turnBy(-1));
            this.on.addEventListener("click", () => this.#turnBy(1));
        }

        // Begin with the first page of a task's document.
        open(url, filename) {
            [this.#url, this.#filename, this.#count] = [url, filename, null];
            this.#hasEnded = this.#isTurned = false;
            this.#forget();
            this.turn.hidden = false;
            return this.show(1);
        }

        #turnBy(pages) {
            this.#isTurned = true;
            this.show(this.#number + pages);
        }

        // How many pages there are, once that is known.
        counted(count) {
            if (!count || count === this.#count) return;
            this.#count = count;
            this.#place();
        }

        // The task has its answer: pictures have its passages marked now. Whoever has turned no page yet is shown `first`.
        ended(first) {
            this.#hasEnded = true;
            this.#forget();
            return first && !this.#isTurned ? this.show(first.page, first) : this.show(this.#number);
        }

        // The passage that is shown.
        get passage() {
            return this.#passage;
        }

        close() {
            this.#forget();
            this.turn.hidden = this.picture.hidden = true;
            this.words.textContent = this.#before;
        }

        // Show a page, and of the passages on it the one that is meant.
        async show(number, passage = null) {
            [this.#number, this.#passage] = [number, passage];
            this.#place();
            const asked = ++this.#asked;
            this.picture.setAttribute("aria-busy", "true");
            this.words.textContent = `Page ${number} is being drawn.`;
            try {
                const [picture, cited] = await this.#page(number);
                if (asked === this.#asked) this.#draw(picture, cited);
            } catch (error) {
                if (asked !== this.#asked) return;
                this.picture.hidden = true;
                this.words.textContent = playground.sentence(error);
            }
            this.picture.removeAttribute("aria-busy");
        }

        // A page's picture and what is cited on it; each is asked for once.
        #page(number) {
            const address = `${this.#url}/pages/${number}`;
            if (!this.#kept.has(number)) {
                const picture = playground.call(`${address}.png?side=${SIDE}`)
                    .then((reply) => reply.blob()).then((blob) => URL.createObjectURL(blob));
                const cited = this.#hasEnded
                    ? playground.call(`${address}.json`).then((reply) => reply.json()).then((body) => body.citations)
                    : [];
                const both = Promise.all([picture, cited]);
                both.catch(() => this.#kept.delete(number));
                this.#kept.set(number, both);
            }
            return this.#kept.get(number);
        }

        #draw(picture, cited) {
            this.image.src = picture;
            const texts = cited.map((each) => playground.visible(each.text));
            const marked = texts.length ? ` Marked on it: ${texts.join(" … ")}` : "";
            this.image.alt = `Page ${this.#number} of ${playground.visible(this.#filename)}.${marked}`;
            this.picture.hidden = false;
            const meant = cited.find((each) => each.text === this.#passage?.text);
            this.marks.replaceChildren(...(meant?.rectangles ?? []).map(rectangle));
            this.words.textContent = this.#said(cited, meant);
        }

        #said(cited, meant) {
            if (this.#passage !== null) {
                const where = meant?.rectangles.length ? "the passage is marked" : "the passage was not found on the picture";
                return `Page ${this.#number}: ${where}.`;
            }
            const found = cited.filter((each) => each.rectangles.length).length;
            if (!found) return `Page ${this.#number}.`;
            return `Page ${this.#number}: ${found === 1 ? "1 passage is" : `${found} passages are`} marked.`;
        }

        #place() {
            this.larger.href = `${this.#url}/pages/${this.#number}.png?side=${LARGER}`;
            const isLast = this.#count !== null && this.#number >= this.#count;
            disable(this.back, this.#number <= 1, this.on);
            disable(this.on, isLast, this.back);
            this.place.textContent = this.#count === null ? `${this.#number}` : `${this.#number} of ${this.#count}`;
        }

        #forget() {
            for (const both of this.#kept.values())
                both.then(([picture]) => URL.revokeObjectURL(picture), () => {});
            this.#kept.clear();
            this.#asked += 1;
        }
    };

    // Switches a button off; whoever stands on it goes on from its neighbour.
    const disable = (button, isOff, neighbour) => {
        if (isOff && document.activeElement === button) {
            neighbour.disabled = false;
            neighbour.focus();
        }
        button.disabled = isOff;
    };

    // A mark round the passage, on a picture whose sides are 1.
    const rectangle = ({left, top, right, bottom}) => {
        const made = document.createElementNS("http://www.w3.org/2000/svg", "rect");
        const sides = {
            x: left - AROUND,
            y: top - AROUND,
            width: right - left + 2 * AROUND,
            height: bottom - top + 2 * AROUND,
        };
        for (const [name, value] of Object.entries(sides)) made.setAttribute(name, String(value));
        return made;
    };
})();
