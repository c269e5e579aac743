// The playground's page: takes a document and a prompt, shows how the work goes and what comes of it.
"use strict";

(() => {
    const part = document.getElementById("playground");
    if (!part) return;

    const playground = window.Playground;
    const found = (name) => document.getElementById(`play-${name}`);
    const [form, drop, file, model, prompt] = ["form", "drop", "file", "model", "prompt"].map(found);
    const [range, password, schema] = ["range", "password", "schema"].map(found);
    const [problem, cancel, outcome, step, progress] = ["error", "cancel", "outcome", "step", "progress"].map(found);
    const [answer, rests, citations, facts, said] = ["answer", "rests", "citations", "facts", "said"].map(found);
    const ask = form.querySelector("[type=submit]");
    const token = form.elements.csrfmiddlewaretoken.value;
    const pages = new playground.Pages(found("pages"));
    const TEXTS = {prompt, model, pages: range, response_schema: schema, file_password: password};
    const FIELDS = {file, ...TEXTS};
    const SAID_EVERY = 5000; // milliseconds: whoever listens is not told of each page
    const FOCUSED = "aria-current";

    let work = null; // what is under way: {abort, url}

    // What is told

    let saidAt = 0;
    const say = (text, isUrgent = true) => {
        step.textContent = playground.visible(text);
        if (!isUrgent && Date.now() - saidAt < SAID_EVERY) return;
        saidAt = Date.now();
        said.textContent = step.textContent;
    };

    const complain = (sentence, fields = []) => {
        problem.textContent = playground.visible(sentence);
        const wrong = fields.map((name) => FIELDS[name]).filter(Boolean);
        for (const field of wrong) field.setAttribute("aria-invalid", "true");
        wrong[0]?.closest("details")?.setAttribute("open", "");
        wrong[0]?.focus();
    };

    const clear = () => {
        problem.textContent = answer.textContent = facts.textContent = said.textContent = "";
        for (const field of Object.values(FIELDS)) field.removeAttribute("aria-invalid");
        citations.replaceChildren();
        rests.hidden = found("task").hidden = true;
        progress.value = 0;
        pages.close();
    };

    // Ask or cancel: one of them is there, and has the focus if the other had it.
    const busy = (isBusy) => {
        const [shown, gone] = isBusy ? [cancel, ask] : [ask, cancel];
        const hadFocus = document.activeElement === gone;
        shown.hidden = false;
        if (hadFocus) shown.focus();
        gone.hidden = true;
        outcome.hidden &&= !isBusy;
        progress.hidden = !isBusy;
        answer.setAttribute("aria-busy", String(isBusy));
    };

    // The work

    const filled = () => {
        const data = new FormData();
        if (file.files.length) data.append("file", file.files[0]);
        for (const [name, field] of Object.entries(TEXTS))
            if (field.value || field === prompt) data.append(name, field.value);
        data.append("dedupe", "false"); // who asks again means it
        return data;
    };

    const run = async () => {
        clear();
        const aborter = new AbortController();
        work = {abort: () => aborter.abort(), url: null};
        busy(true);
        say("Sending the document.");
        try {
            const onSent = (share) => say(`Sending the document: ${Math.round(100 * share)} %.`, false);
            const form = filled();
            const accepted = await playground.submit({url: part.dataset.process, token, form, onSent, signal: aborter.signal});
            ended(await watched(accepted));
        } catch (error) {
            if (error.name === "AbortError") say("Cancelled before the document had arrived.");
            else {
                if (!work.url) outcome.hidden = true;
                step.textContent = "";
                complain(playground.sentence(error), error.fields);
            }
        }
        work = null;
        busy(false);
    };

    const watched = (accepted) => {
        work.url = `${part.dataset.tasks}/${accepted.task_id}`;
        const link = found("task").querySelector("a, code");
        link.textContent = accepted.task_id;
        if (link.href) link.search = new URLSearchParams({q: accepted.task_id});
        found("task").hidden = false;
        say(accepted.position ? `${accepted.message} ${accepted.position} in line.` : accepted.message);
        pages.open(work.url, file.files[0].name);
        playground.call(work.url).then((reply) => reply.json()).then((task) => pages.counted(task.file_info.pages), () => {});
        return playground.watch(work.url, {
            status: ({status}) => say(status === "queued" ? "The task is waiting for its turn." : "The work has begun."),
            progress: (told) => {
                progress.value = told.progress;
                if (told.step) say(`${told.step} (${Math.round(told.progress)} %)`, false);
                pages.counted(told.pages);
            },
            delta: ({text, reset}) => {
                if (reset) answer.textContent = "";
                answer.append(playground.visible(text));
            },
            lost: (sentence) => say(`${sentence} Trying again.`),
            found: () => say("The connection is back."),
        });
    };

    const ended = (task) => {
        progress.value = task.progress;
        pages.counted(task.file_info.pages);
        if (task.status !== "completed") {
            say(task.status === "cancelled" ? "The task was cancelled." : "The task has failed.");
            if (task.status === "failed") complain(task.error);
            return;
        }
        const {content, citations: passages, processing_metadata: metadata} = task.result;
        answer.textContent = playground.visible(content);
        const count = passages.length === 1 ? "1 passage" : `${passages.length || "no"} passages`;
        say(`The answer is complete; it rests on ${count}.`);
        const {input_tokens: read, output_tokens: written} = metadata.usage ?? {};
        const tokens = Number.isInteger(read) ? `; ${read} tokens read, ${written} written` : "";
        facts.textContent = playground.visible(`${task.model_used}, ${task.processing_time?.toFixed(1)} s${tokens}`);
        citations.replaceChildren(...passages.map(cited));
        rests.hidden = !passages.length;
        pages.ended(passages[0]);
        if (passages.length && pages.passage === passages[0]) choose(citations.firstElementChild.firstElementChild);
    };

    // A passage to be looked at.
    const cited = (passage) => {
        const button = playground.element("button", "", {type: "button", class: "play-citation"});
        button.append(playground.element("strong", `Page ${passage.page}`), " ", playground.element("q", passage.text, {dir: "auto"}));
        button.addEventListener("click", () => {
            choose(button);
            pages.show(passage.page, passage);
            found("pages").scrollIntoView({block: "nearest"});
        });
        const item = document.createElement("li");
        item.append(button);
        return item;
    };

    const choose = (button) => {
        for (const other of citations.querySelectorAll("button")) other.removeAttribute(FOCUSED);
        button.setAttribute(FOCUSED, "true");
    };

    form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (work === null) run();
    });
    prompt.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    cancel.addEventListener("click", async () => {
        if (work?.url == null) return work?.abort();
        if (work.isEnding) return; // a button that is off would lose the focus
        const ending = work;
        ending.isEnding = true;
        try {
            await playground.cancel(ending.url, token);
        } catch (error) {
            ending.isEnding = false;
            if (work === ending) complain(playground.sentence(error));
        }
    });

    // The document

    file.hasChangeListener = true; // else django-unfold adds its own, which looks for parts that are not here

    for (const name of ["dragenter", "dragover", "dragleave", "drop"])
        window.addEventListener(name, (event) => {
            if (!event.dataTransfer?.types.includes("Files")) return;
            event.preventDefault(); // else the browser leaves the page for a file that misses its place
            const isOver = drop.contains(event.target);
            event.dataTransfer.dropEffect = isOver ? "copy" : "none";
            drop.classList.toggle("play-over", isOver && (name === "dragenter" || name === "dragover"));
        });
    drop.addEventListener("drop", (event) => {
        if (event.dataTransfer.files.length === 1) {
            file.files = event.dataTransfer.files;
            file.dispatchEvent(new Event("change", {bubbles: true}));
            problem.textContent = "";
            said.textContent = `${playground.visible(file.files[0].name)} is chosen.`;
        } else complain("Drop one file.", ["file"]);
    });

    // The same call

    const shown = () => ({
        url: new URL(part.dataset.process, location.href).href,
        file: file.files[0]?.name ?? "document.pdf",
        fields: {prompt: prompt.value || "…", model: model.value, pages: range.value, response_schema: schema.value},
        hasPassword: Boolean(password.value),
    });
    const calls = {curl: playground.asCurl, python: playground.asPython};
    const write = () => {
        for (const [name, asText] of Object.entries(calls)) found(name).textContent = asText(shown());
    };
    form.addEventListener("input", write);
    form.addEventListener("change", write);
    write();

    for (const button of part.querySelectorAll("[data-copies]"))
        button.addEventListener("click", async () => {
            const text = document.getElementById(button.dataset.copies);
            try {
                await navigator.clipboard.writeText(text.textContent);
                said.textContent = "Copied.";
            } catch { // without TLS there is no clipboard for pages
                getSelection().selectAllChildren(text);
                said.textContent = "Selected: copy it with Ctrl+C.";
            }
        });
})();
