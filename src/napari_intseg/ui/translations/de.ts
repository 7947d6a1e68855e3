<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
  <context>
    <name>napari-intseg</name>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source> min</source>
      <translation> min</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>%v of %m</source>
      <translation>%v von %m</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>%v of %m objects</source>
      <translation>%v von %m Objekten</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>%v of %m places</source>
      <translation>%v von %m Stellen</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>%v of %m planes</source>
      <translation>%v von %m Schichten</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>%v of %m s</source>
      <translation>%v von %m s</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>%v of %m time points</source>
      <translation>%v von %m Zeitpunkten</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>, time point {time} of {count}</source>
      <translation>, Zeitpunkt {time} von {count}</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>A and B</source>
      <translation>A und B</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>A click changes only the region it is about; the rest of the mask stays as it is.</source>
      <translation>Ein Klick ändert nur die Gegend, um die es ihm geht; der Rest der Maske bleibt.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>A first mask by SAM, then exact corrections by the other.</source>
      <translation>Eine erste Maske von SAM, dann genaue Korrekturen vom anderen.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>A flat image has no planes to check; this key is for volumes.</source>
      <translation>Ein flaches Bild hat keine Schichten zu prüfen; diese Taste ist für Volumen.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>A good mask from the first click or from a box.</source>
      <translation>Eine gute Maske ab dem ersten Klick oder aus einem Rahmen.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>A layer with masks, from whichever model or person.</source>
      <translation>Eine Ebene mit Masken, von welchem Modell oder Menschen auch immer.</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>A model is being trained.</source>
      <translation>Ein Modell wird gerade trainiert.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>A model that finds objects without clicks.</source>
      <translation>Ein Modell, das Objekte ohne Klicks findet.</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>A network of `napari-intseg train --task cloud`, by name or file; empty: points belong to the clicks that are nearest along the cloud.</source>
      <translation>Ein Netz aus `napari-intseg train --task cloud`, nach Name oder Datei; leer: Punkte gehören den Klicks, die entlang der Wolke am nächsten sind.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>A plane that was looked at once is then ready on another day too, for the same data, window and model. At most {size}; the oldest go first. The choice is remembered.</source>
      <translation>Eine einmal angesehene Schicht ist dann auch an einem anderen Tag sofort bereit, bei gleichen Daten, gleicher Fensterung und gleichem Modell. Höchstens {size}; die ältesten werden zuerst gelöscht. Die Wahl wird gemerkt.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>A positive click or line of one object becomes a negative one of the others on the plane, and all are answered again; one step of undo.</source>
      <translation>Ein positiver Klick oder Strich eines Objekts wird ein negativer der anderen auf der Ebene, und alle werden neu beantwortet; ein Schritt zum Rückgängigmachen.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>A second model that gets the same clicks, after the first.
Missing weights are fetched or added where the first model is chosen.</source>
      <translation>Ein zweites Modell, das nach dem ersten dieselben Klicks erhält.
Fehlende Gewichte werden dort beschafft, wo das erste Modell gewählt wird.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>A small picture of the slice as the model gets it, made when nothing else is to do.</source>
      <translation>Ein kleines Bild der Schicht, wie das Modell sie erhält; es entsteht, wenn sonst nichts zu tun ist.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>A start on any image: cells, organs, photographs; quick on a CPU.</source>
      <translation>Ein Anfang auf jedem Bild: Zellen, Organe, Fotos; schnell auf einer CPU.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>A's mask</source>
      <translation>die Maske von A</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Accept</source>
      <translation>Annehmen</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Add a layer with what the model finds; take objects from it below.</source>
      <translation>Eine Ebene mit dem hinzufügen, was das Modell findet; Objekte daraus unten übernehmen.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Add a weight file</source>
      <translation>Gewichtsdatei hinzufügen</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Add file…</source>
      <translation>Datei hinzufügen …</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Added {name}.</source>
      <translation>{name} hinzugefügt.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Address</source>
      <translation>Adresse</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>All files (*)</source>
      <translation>Alle Dateien (*)</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>All images</source>
      <translation>Alle Bilder</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>All images, next and previous, export, close</source>
      <translation>Alle Bilder, vor und zurück, Export, Schließen</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>All models …</source>
      <translation>Alle Modelle …</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>All planes</source>
      <translation>Alle Schichten</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>All time points</source>
      <translation>Alle Zeitpunkte</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>All {count} objects are up to date.</source>
      <translation>Alle {count} Objekte sind auf dem neuesten Stand.</translation>
    </message>
    <message>
      <location filename="../layers/labels_layer.py" />
      <source>An answer could not be drawn in {name!r}: {kind}: {error}. Undo and redo draw it again; if it persists, please report this text.</source>
      <translation>Eine Antwort konnte nicht in {name!r} gezeichnet werden: {kind}: {error}. Rückgängig und Wiederholen zeichnen sie neu; bleibt der Fehler, melden Sie bitte diesen Text.</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>And {n} more objects.</source>
      <translation>Und {n} weitere Objekte.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>And {n} more.</source>
      <translation>Und {n} weitere.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Another machine</source>
      <translation>Anderer Rechner</translation>
    </message>
    <message>
      <location filename="../controllers/session_store.py" />
      <source>Another part of the answer, {size:,} px, has no click: right-click on what is not meant.</source>
      <translation>Ein weiterer Teil der Antwort, {size:,} px, hat keinen Klick: Klicken Sie rechts auf das, was nicht gemeint ist.</translation>
    </message>
    <message>
      <location filename="../controllers/session_store.py" />
      <source>Answer in 3-D cancelled; what was given stays. The next click asks for all of it.</source>
      <translation>Antwort in 3D abgebrochen; was gegeben wurde, bleibt. Der nächste Klick fragt nach allem.</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Answer {which}</source>
      <translation>Antwort {which}</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>Answer {which}.</source>
      <translation>Antwort {which}.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Answering in 3-D</source>
      <translation>Antwort in 3D</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Answers that obey every click; slower.</source>
      <translation>Antworten, die jedem Klick folgen; langsamer.</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>Arrows move the cursor, with Shift by a pixel; Enter clicks, Shift+Enter clicks beside the object; . and , change the plane. The key that began it ends it.</source>
      <translation>Pfeiltasten bewegen den Zeiger, mit Umschalt um ein Pixel; Enter klickt, Umschalt+Enter klickt neben das Objekt; . und , wechseln die Schicht. Die Taste, die ihn begann, beendet ihn.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Ask once more, enlarged, in the region between the last click and the nearest one of
the other sign. Such clicks take twice as long.</source>
      <translation>Vergrößert noch einmal fragen, in der Gegend zwischen dem letzten Klick und dem nächsten mit
anderem Vorzeichen. Solche Klicks dauern doppelt so lange.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Asking the model …</source>
      <translation>Das Modell wird gefragt …</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>At the time point in view.</source>
      <translation>Zum angezeigten Zeitpunkt.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>At {address}: {error}</source>
      <translation>Bei {address}: {error}</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Authority</source>
      <translation>Zertifizierungsstelle</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Axes</source>
      <translation>Achsen</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>B becomes the model that answers, and its first mask is A's.</source>
      <translation>B wird das antwortende Modell; seine erste Maske ist die von A.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>B is at work …</source>
      <translation>B arbeitet …</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>B's mask</source>
      <translation>die Maske von B</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Back to the bundled model</source>
      <translation>Zurück zum mitgelieferten Modell</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Begin an object; its clicks make one label.</source>
      <translation>Ein Objekt beginnen; seine Klicks ergeben ein Label.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Begin; you can go on working meanwhile.</source>
      <translation>Beginnen; Sie können dabei weiterarbeiten.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Beside the images</source>
      <translation>Neben den Bildern</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Both</source>
      <translation>Beide</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Box</source>
      <translation>Rahmen</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Box: drag from corner to corner of the object.</source>
      <translation>Rahmen: Von Ecke zu Ecke des Objekts ziehen.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Bring back what was undone last for the current object alone.</source>
      <translation>Wiederherstellen, was zuletzt allein für das aktuelle Objekt rückgängig gemacht wurde.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Bring back what was undone last.</source>
      <translation>Wiederherstellen, was zuletzt rückgängig gemacht wurde.</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Bringing back what was interrupted …</source>
      <translation>Unterbrochene Arbeit wird wiederhergestellt …</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Brought back {n} action.</source>
      <translation>{n} Aktion wiederhergestellt.</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Brought back {n} actions.</source>
      <translation>{n} Aktionen wiederhergestellt.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>CSV table</source>
      <translation>CSV-Tabelle</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>CT {name}: level {level:g}, width {width:g} HU</source>
      <translation>CT {name}: Zentrum {level:g}, Weite {width:g} HU</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Cancel</source>
      <translation>Abbrechen</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Cancel goes on with this machine.</source>
      <translation>Abbrechen macht auf diesem Rechner weiter.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Cancelled; {what} kept on {planes}.</source>
      <translation>Abgebrochen; {what} auf {planes} übernommen.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Carry each click to the neighbouring planes as soon as it is answered,
the nearest first; the next click overtakes it.</source>
      <translation>Jeden Klick in die Nachbarschichten tragen, sobald er beantwortet ist,
die nächsten zuerst; der nächste Klick überholt ihn.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Carry every object that is not accepted, those found by Find more as well; one undo.</source>
      <translation>Jedes nicht angenommene Objekt ausbreiten, auch die ähnlich gefundenen; ein Rückgängig.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Carry the object from the planes with clicks to their neighbours, until it ends.</source>
      <translation>Das Objekt von den angeklickten Schichten in die benachbarten tragen, bis es endet.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Carry the object from the time point in view to the others, until it is lost.
Time points with clicks stay as they are. Press again to stop.</source>
      <translation>Das Objekt vom angezeigten Zeitpunkt zu den anderen tragen, bis es verloren geht.
Zeitpunkte mit Klicks bleiben. Noch einmal drücken, um anzuhalten.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Certificate</source>
      <translation>Zertifikat</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Certificate of this machine.</source>
      <translation>Zertifikat dieses Rechners.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Certificate of who signed the others.</source>
      <translation>Zertifikat der Stelle, die die anderen unterschrieben hat.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Channel {number} of those chosen above.</source>
      <translation>Kanal {number} der oben gewählten.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Channels</source>
      <translation>Kanäle</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Choose a file …</source>
      <translation>Datei wählen …</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Choose a folder for the model first.</source>
      <translation>Wählen Sie zuerst einen Ordner für das Modell.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Choose a folder in which the labels live from now on, written as they change.
Labels of more than 4 GB do so anyway, beside the image's file; they are there again when the image is opened again.</source>
      <translation>Einen Ordner wählen, in dem die Labels von jetzt an liegen; Änderungen werden sofort geschrieben.
Labels von mehr als 4 GB liegen ohnehin dort, neben der Bilddatei; sie sind wieder da, wenn das Bild erneut geöffnet wird.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Choose a folder that work is saved in from now on.</source>
      <translation>Einen Ordner wählen, in dem die Arbeit von jetzt an gespeichert wird.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Choose a folder …</source>
      <translation>Ordner wählen …</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Choose a model</source>
      <translation>Modell wählen</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Choose a model's folder</source>
      <translation>Ordner eines Modells wählen</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Choose a weight file</source>
      <translation>Gewichtsdatei wählen</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Choose file …</source>
      <translation>Datei wählen …</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Choose the file.</source>
      <translation>Datei auswählen.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Choose the project's folder; the model is kept there.</source>
      <translation>Den Ordner des Projekts wählen; dort wird das Modell aufbewahrt.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Choose two or more objects in the table first: hold Ctrl and click on their rows.</source>
      <translation>Wählen Sie zuerst zwei oder mehr Objekte in der Tabelle: Strg gedrückt halten und auf ihre Zeilen klicken.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Class</source>
      <translation>Klasse</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Class of object {label}:</source>
      <translation>Klasse von Objekt {label}:</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Class…</source>
      <translation>Klasse …</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Clear</source>
      <translation>Leeren</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>Click in one to correct it; Undo takes them all back.</source>
      <translation>Ein Klick in eines korrigiert es; Rückgängig nimmt alle zurück.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Click on an object in the image to begin.</source>
      <translation>Klicken Sie auf ein Objekt im Bild, um zu beginnen.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Clicks</source>
      <translation>Klicks</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Clicks correct it.</source>
      <translation>Klicks korrigieren es.</translation>
    </message>
    <message>
      <location filename="../layers/image_axes.py" />
      <source>Clicks need a 2-D view: press Ctrl+Y, or the button with the cube, to leave 3-D.</source>
      <translation>Klicks brauchen eine 2-D-Ansicht: Verlassen Sie 3-D mit Strg+Y oder dem Knopf mit dem Würfel.</translation>
    </message>
    <message>
      <location filename="../layers/image_axes.py" />
      <source>Clicks need a view of two spatial axes: roll the axes until {first} and {second} are shown.</source>
      <translation>Klicks brauchen eine Ansicht mit zwei räumlichen Achsen: Drehen Sie die Achsen, bis {first} und {second} gezeigt werden.</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Clicks say what belongs to the object, and what does not.</source>
      <translation>Klicks sagen, was zum Objekt gehört und was nicht.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Clicks that a robot user needed until the answer was right: the mean of those until it agreed with yours by 85 % and by 90 % (IoU), ten at most.</source>
      <translation>Klicks, die ein Robot-Benutzer brauchte, bis die Antwort stimmte: das Mittel derer, bis sie mit Ihrer zu 85 % und zu 90 % übereinstimmte (IoU), höchstens zehn.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Close the folder</source>
      <translation>Ordner schließen</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Cloud</source>
      <translation>Wolke</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Colour and number; a ticked object is accepted: no click changes it.</source>
      <translation>Farbe und Nummer; ein Objekt mit Häkchen ist angenommen: Kein Klick ändert es.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Colour images whose ground differs from the object, from a box.</source>
      <translation>Farbbilder, deren Grund sich vom Objekt unterscheidet, aus einem Rahmen.</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Compare</source>
      <translation>Vergleich</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Compare with</source>
      <translation>Vergleichen mit</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Connect</source>
      <translation>Verbinden</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Connect without encryption all the same</source>
      <translation>Trotzdem ohne Verschlüsselung verbinden</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Connected to {address} again.</source>
      <translation>Wieder verbunden mit {address}.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Connecting</source>
      <translation>Verbinden</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Connecting again</source>
      <translation>Neu verbinden</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Connecting to {address} …</source>
      <translation>Verbinden mit {address} …</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Connecting was cancelled; {name} answers.</source>
      <translation>Das Verbinden wurde abgebrochen; {name} antwortet.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Contrast</source>
      <translation>Kontrast</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Copying the labels to {name} …</source>
      <translation>Die Labels werden nach {name} kopiert …</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>Copying …</source>
      <translation>Es wird kopiert …</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Correct the object on the plane in view by moving the vertices of its outline.</source>
      <translation>Das Objekt auf der gezeigten Schicht korrigieren, indem Eckpunkte seines Umrisses verschoben werden.</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Cube</source>
      <translation>Würfel</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>Cursor at row {row}, column {col}, in no object.</source>
      <translation>Zeiger in Zeile {row}, Spalte {col}, in keinem Objekt.</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>Cursor at row {row}, column {col}, in object {label}.</source>
      <translation>Zeiger in Zeile {row}, Spalte {col}, in Objekt {label}.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Cut out</source>
      <translation>Freistellen</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Cut out…</source>
      <translation>Freistellen…</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Delete</source>
      <translation>Löschen</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Description</source>
      <translation>Beschreibung</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Device</source>
      <translation>Gerät</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Device and memory</source>
      <translation>Rechengerät und Speicher</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Do everything again that was done before the interruption.</source>
      <translation>Alles noch einmal tun, was vor der Unterbrechung getan wurde.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Done</source>
      <translation>Fertig</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Done with the outline</source>
      <translation>Umriss fertig</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Double-click to name the object.</source>
      <translation>Doppelklicken, um das Objekt zu benennen.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Double-click to say what it is: all of one kind share a class.</source>
      <translation>Doppelklicken, um zu sagen, was es ist: Gleichartige haben dieselbe Klasse.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Drag a box round the object, from corner to corner.</source>
      <translation>Einen Rahmen um das Objekt ziehen, von Ecke zu Ecke.</translation>
    </message>
    <message>
      <location filename="../layers/polygon_editor.py" />
      <source>Drag a vertex to correct the outline; add and remove vertices with napari's tools. Press Done at the end.</source>
      <translation>Ziehen Sie an einem Eckpunkt, um den Umriss zu korrigieren; mit naparis Werkzeugen fügen Sie Eckpunkte hinzu oder entfernen sie. Drücken Sie am Ende „Umriss fertig“.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Draw a closed line round the object; with Shift, or after Swap signs, round what does not belong to it.</source>
      <translation>Eine geschlossene Linie um das Objekt ziehen; mit Umschalt oder nach Vorzeichen tauschen um das, was nicht dazugehört.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Draw a line on the object; with Shift, or after Swap signs, beside it.</source>
      <translation>Eine Linie auf das Objekt zeichnen; mit Umschalt, oder nach dem Vertauschen, daneben.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Draw the outline of an object that is larger than the model's view tile by tile, at
full resolution, blended; smaller ones stay as they are. A click on a large object
then takes as many times longer as there are tiles. Undo takes it back.</source>
      <translation>Den Umriss eines Objekts, das größer ist als die Ansicht des Modells, Kachel für Kachel in
voller Auflösung ziehen, mit Übergängen; kleinere bleiben, wie sie sind. Ein Klick auf ein
großes Objekt dauert so viele Male länger, wie es Kacheln gibt. Rückgängig nimmt es zurück.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Drop painted pixels</source>
      <translation>Gemalte Pixel verwerfen</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Edit as polygon</source>
      <translation>Als Vieleck ändern</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Either</source>
      <translation>Eine</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Even objects with clear edges; has no weights.</source>
      <translation>Gleichmäßige Objekte mit klaren Rändern; ohne Gewichte.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Exact outlines over several clicks.</source>
      <translation>Genaue Umrisse über mehrere Klicks.</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Export</source>
      <translation>Export</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Export labels</source>
      <translation>Labels exportieren</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Export measurements</source>
      <translation>Messwerte exportieren</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Export what is done as a training set…</source>
      <translation>Fertiges als Trainingsdaten exportieren …</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Export…</source>
      <translation>Exportieren …</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Fetch</source>
      <translation>Herunterladen</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Fetching was cancelled; nothing is left behind.</source>
      <translation>Das Herunterladen wurde abgebrochen; es bleibt nichts zurück.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Fetching weights</source>
      <translation>Gewichte laden</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Fetching weights {key!r} …</source>
      <translation>Gewichte {key!r} werden heruntergeladen …</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Few clicks on photographs; the large ones want a GPU.</source>
      <translation>Wenige Klicks auf Fotos; die großen brauchen eine GPU.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Fill holes</source>
      <translation>Löcher füllen</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Fill holes of the object, plane by plane. Undo takes it back.</source>
      <translation>Löcher des Objekts füllen, Schicht für Schicht. Rückgängig nimmt es zurück.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Find more like these</source>
      <translation>Ähnliche suchen</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Find objects</source>
      <translation>Objekte suchen</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Find: a name, a prompt, a licence</source>
      <translation>Suchen: Name, Eingabe, Lizenz</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>First plane</source>
      <translation>Erste Schicht</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Folder for the labels</source>
      <translation>Ordner für die Labels</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Folder of the project</source>
      <translation>Ordner des Projekts</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Folder with images</source>
      <translation>Ordner mit Bildern</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Folder …</source>
      <translation>Ordner …</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Follow through time</source>
      <translation>Durch die Zeit verfolgen</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Following through time</source>
      <translation>Zeitverfolgung</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>For many objects: a left click where there is none begins the next one.
A click inside an object belongs to that one; a right click elsewhere to the current.</source>
      <translation>Für viele Objekte: Ein Linksklick, wo keines ist, beginnt das nächste.
Ein Klick in ein Objekt gehört zu diesem, ein Rechtsklick anderswo zum aktuellen.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Forget it</source>
      <translation>Verwerfen</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>GeoJSON in coordinates of the map</source>
      <translation>GeoJSON in Koordinaten der Karte</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Give all three files, or none if dask's configuration has them.</source>
      <translation>Geben Sie alle drei Dateien an, oder keine, wenn sie in der Konfiguration von dask stehen.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Give clicks.</source>
      <translation>Klicks geben.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Give the current object another number.</source>
      <translation>Dem aktuellen Objekt eine andere Nummer geben.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Give these pixels to the current object; one step of undo.</source>
      <translation>Diese Pixel dem aktuellen Objekt geben; ein Schritt von Rückgängig.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Give what is one object at all time points one number, and show the tracks with
divisions and merges. Accepted and locked objects keep their numbers; one undo.</source>
      <translation>Was zu allen Zeitpunkten ein Objekt ist, erhält eine Nummer; die Spuren werden mit
Teilungen und Verschmelzungen gezeigt. Angenommene und gesperrte Objekte behalten ihre Nummer; ein Schritt Rückgängig.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Go on from A's mask; clicks that follow correct it.</source>
      <translation>Mit der Maske von A weitermachen; weitere Klicks korrigieren sie.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Go on from B's mask; clicks that follow correct it.</source>
      <translation>Mit der Maske von B weitermachen; weitere Klicks korrigieren sie.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Go on from this object's mask: clicks correct it.</source>
      <translation>Mit der Maske dieses Objekts weitermachen: Klicks korrigieren sie.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Go on with B from A's mask</source>
      <translation>Mit B ab der Maske von A weiter</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Go on with clicks that the model's own doubts suggest, until it is unsure. Undo takes them back one at a time.</source>
      <translation>Mit Klicks weitermachen, die der Zweifel des Modells vorschlägt, bis es unsicher ist. Rückgängig nimmt sie einzeln zurück.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Go on with it</source>
      <translation>Fortsetzen</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Go to the panel</source>
      <translation>Zur Leiste</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Go to the plane that disagrees most</source>
      <translation>Zur Schicht mit dem größten Unterschied</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Good for</source>
      <translation>Gut für</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Half the width of the band in which the edge may be soft, in pixels (0: none):</source>
      <translation>Halbe Breite des Bandes, in dem der Rand weich sein darf, in Pixeln (0: keines):</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Have the bundled model answer again; what was learnt is kept.</source>
      <translation>Wieder das mitgelieferte Modell antworten lassen; das Gelernte bleibt aufbewahrt.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Have the model answer a first click in several ways, in other sizes as well; step
through them by Next and Previous, as through those of SAM.</source>
      <translation>Das Modell beantwortet einen ersten Klick auf mehrere Arten, auch in anderen Größen; mit
„Nächste“ und „Vorige“ blättern Sie darin, wie bei SAM.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Have what was learnt answer clicks, whenever this project is opened.</source>
      <translation>Das Gelernte auf Klicks antworten lassen, wann immer dieses Projekt geöffnet wird.</translation>
    </message>
    <message>
      <location filename="../layers/shapes.py" />
      <source>Hold the mouse button down and drag from corner to corner.</source>
      <translation>Halten Sie die Maustaste gedrückt und ziehen Sie von Ecke zu Ecke.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>How far; at first as far as two planes are apart.</source>
      <translation>Wie weit; anfangs so weit, wie zwei Schichten auseinanderliegen.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>How long to learn, by the clock, on one core of a CPU.</source>
      <translation>Wie lange gelernt wird, nach der Uhr, auf einem Kern des Prozessors.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>How the object is carried from plane to plane.</source>
      <translation>Wie das Objekt von Schicht zu Schicht getragen wird.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>How values are shown to the model; what is clicked is answered anew.
Automatic: chosen for you, or as displayed once you set limits or gamma. Layers that
are mixed: as displayed.</source>
      <translation>Wie dem Modell die Werte gezeigt werden; Angeklicktes wird neu beantwortet.
Automatisch: für Sie gewählt, oder wie angezeigt, sobald Sie Grenzen oder Gamma
setzen. Gemischte Ebenen: wie angezeigt.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Image</source>
      <translation>Bild</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Image and model</source>
      <translation>Bild und Modell</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>Image {number} of {count}: {name}. {done} done, {open} open.</source>
      <translation>Bild {number} von {count}: {name}. {done} fertig, {open} offen.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Images of the folder</source>
      <translation>Bilder des Ordners</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>In another folder…</source>
      <translation>In einem anderen Ordner …</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>In colour</source>
      <translation>In Farbe</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Install it with: pip install 'napari-intseg[{extra}]'</source>
      <translation>Installieren mit: pip install 'napari-intseg[{extra}]'</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Interactive segmentation</source>
      <translation>Segmentierung</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Interpolate shapes between clicked planes, without the model.</source>
      <translation>Formen zwischen angeklickten Schichten interpolieren, ohne Modell.</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Interpolate tilted or uneven slices onto a regular grid</source>
      <translation>Schräge oder ungleichmäßige Schichten auf ein regelmäßiges Raster interpolieren</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>IoU &lt;b&gt;{iou:.3f}&lt;/b&gt;, Dice &lt;b&gt;{dice:.3f}&lt;/b&gt;, &lt;b&gt;{count:,}&lt;/b&gt; px differ</source>
      <translation>IoU &lt;b&gt;{iou:.3f}&lt;/b&gt;, Dice &lt;b&gt;{dice:.3f}&lt;/b&gt;, &lt;b&gt;{count:,}&lt;/b&gt; px verschieden</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>IoU over clicks</source>
      <translation>IoU über Klicks</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>IoU with the truth &lt;b&gt;{iou:.3f}&lt;/b&gt;</source>
      <translation>IoU mit der Referenz &lt;b&gt;{iou:.3f}&lt;/b&gt;</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>It cannot be fetched; choose a file.</source>
      <translation>Sie kann nicht heruntergeladen werden; wählen Sie eine Datei.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Jump to</source>
      <translation>Anzeigen</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Keep A</source>
      <translation>A behalten</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Keep B</source>
      <translation>B behalten</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Keep embeddings on disk</source>
      <translation>Einbettungen auf der Platte behalten</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Keep labels on disk: a new folder</source>
      <translation>Labels auf der Platte: ein neuer Ordner</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Keep labels on disk…</source>
      <translation>Labels auf der Platte halten …</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Keep on every plane on which the two differ, not only on this one.</source>
      <translation>Auf allen Schichten übernehmen, auf denen sich die beiden unterscheiden, nicht nur auf dieser.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Keep only the largest connected part. Undo takes it back.</source>
      <translation>Nur den größten zusammenhängenden Teil behalten. Rückgängig nimmt es zurück.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Keep what is in both masks, the intersection.</source>
      <translation>Behalten, was in beiden Masken liegt: die Schnittmenge.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Keep what is in either mask, the union.</source>
      <translation>Behalten, was in einer der Masken liegt: die Vereinigung.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Keeping on all planes</source>
      <translation>Übernahme auf alle Schichten</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Kept in {folder}</source>
      <translation>Aufbewahrt in {folder}</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Kept {what} on {planes} only: something else was done meanwhile. Press the button again for the rest.</source>
      <translation>{what} nur auf {planes} übernommen: Zwischenzeitlich geschah etwas anderes. Für den Rest noch einmal drücken.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Kept {what} on {planes}. Clicks that follow correct it.</source>
      <translation>{what} auf {planes} übernommen. Weitere Klicks korrigieren das Ergebnis.</translation>
    </message>
    <message>
      <location filename="../panels/controls.py" />
      <source>Key: {key}</source>
      <translation>Taste: {key}</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Keyboard cursor</source>
      <translation>Tastaturzeiger</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Labelling …</source>
      <translation>Wird beschriftet …</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Labels</source>
      <translation>Labels</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Labels (*{ending})</source>
      <translation>Labels (*{ending})</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Labels are kept in {name}</source>
      <translation>Die Labels liegen in {name}</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Labels are shown as outlines.</source>
      <translation>Die Labels werden als Umrisse gezeigt.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Labels are shown filled.</source>
      <translation>Die Labels werden gefüllt gezeigt.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Labels on the same grid, to measure both models by.</source>
      <translation>Labels auf demselben Raster, an denen beide Modelle gemessen werden.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Largest part</source>
      <translation>Größter Teil</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Lasso</source>
      <translation>Lasso</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Lasso: drag round the object; with Shift, round what is not part of it.</source>
      <translation>Lasso: Um das Objekt ziehen; mit Umschalt um das, was nicht dazugehört.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Last plane</source>
      <translation>Letzte Schicht</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Learn</source>
      <translation>Lernen</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Learn from finished objects</source>
      <translation>Aus fertigen Objekten lernen</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Learn from finished objects…</source>
      <translation>Aus fertigen Objekten lernen …</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Learning from {name} …</source>
      <translation>Lernen aus {name} …</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Learning needs packages that are not installed: pip install 'napari-intseg[torch,train]'</source>
      <translation>Zum Lernen fehlen Pakete: pip install 'napari-intseg[torch,train]'</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Learning was cancelled; nothing changed.</source>
      <translation>Das Lernen wurde abgebrochen; nichts hat sich geändert.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Least sure first</source>
      <translation>Unsicherste zuerst</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Leave them</source>
      <translation>Lassen</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Left click: {sign}</source>
      <translation>Linksklick: {sign}</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Left clicks say what belongs to the object, right clicks what does not.</source>
      <translation>Linksklicks sagen, was zum Objekt gehört, Rechtsklicks, was nicht.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Left clicks say what does not belong to the object, right clicks what does.</source>
      <translation>Linksklicks sagen, was nicht zum Objekt gehört, Rechtsklicks, was dazugehört.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Let the outline evolve on the model's answer and the edges of the image.</source>
      <translation>Den Umriss auf der Antwort des Modells und den Kanten des Bildes sich entwickeln lassen.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Let the outline pass smoothly across planes. Planes with clicks stay as they are.</source>
      <translation>Den Umriss glatt über die Schichten laufen lassen. Schichten mit Klicks bleiben.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Licence</source>
      <translation>Lizenz</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Licence: {licence}</source>
      <translation>Lizenz: {licence}</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Link through time</source>
      <translation>Durch die Zeit verknüpfen</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Linking cancelled; nothing is changed.</source>
      <translation>Verknüpfen abgebrochen; nichts ist geändert.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Linking needs an image with several time points; see Axes.</source>
      <translation>Verknüpfen braucht ein Bild mit mehreren Zeitpunkten; siehe Achsen.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Linking through time</source>
      <translation>Verknüpfen durch die Zeit</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Loading {name}</source>
      <translation>{name} laden</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Loading {name} …</source>
      <translation>{name} wird geladen …</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Lock pixels</source>
      <translation>Pixel sperren</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Lock the current object</source>
      <translation>Das aktuelle Objekt sperren</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Lock the object against further clicks, and go on to the next one.</source>
      <translation>Das Objekt gegen weitere Klicks sperren und zum nächsten übergehen.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Look for more objects like those on this plane; each becomes an object to correct.</source>
      <translation>Auf dieser Schicht nach ähnlichen Objekten suchen; jedes wird ein Objekt zum Korrigieren.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Looking for more</source>
      <translation>Suche</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Looking for objects</source>
      <translation>Objekte werden gesucht</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>Looking for objects with {name} …</source>
      <translation>Objekte werden mit {name} gesucht …</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Looking for scans in {name!r} …</source>
      <translation>Untersuchungen werden in {name!r} gesucht …</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Make one object of those selected in the table; it keeps the smallest number.</source>
      <translation>Aus den in der Tabelle markierten eines machen; es behält die kleinste Nummer.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Make two objects of one: click in one part, then in the other.</source>
      <translation>Aus einem zwei machen: in den einen Teil klicken, dann in den anderen.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Mark where the two models disagree most; with one model, where its answer and that on the mirrored image do. The mark is no click.</source>
      <translation>Die Stelle markieren, an der die beiden Modelle am meisten abweichen; bei einem Modell, an der seine Antwort von der auf das Spiegelbild abweicht. Die Marke ist kein Klick.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Masks are being kept already. Wait for them, or cancel.</source>
      <translation>Es werden bereits Masken übernommen. Warten Sie, oder brechen Sie ab.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Masks are still being propagated. Wait for them, or cancel.</source>
      <translation>Masken werden noch ausgebreitet. Warten Sie, oder brechen Sie ab.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Measured {n} object: {name}{which}.</source>
      <translation>{n} Objekt gemessen: {name}{which}.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Measured {n} objects: {name}{which}.</source>
      <translation>{n} Objekte gemessen: {name}{which}.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Measure…</source>
      <translation>Messen …</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Measuring what the bundled model needs …</source>
      <translation>Es wird gemessen, was das mitgelieferte Modell braucht …</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Measuring what was learnt …</source>
      <translation>Das Gelernte wird gemessen …</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Measuring …</source>
      <translation>Es wird gemessen …</translation>
    </message>
    <message>
      <location filename="../qt/worker_thread.py" />
      <source>Memory ran out: {error}. Close other programs, or choose a smaller model or image.</source>
      <translation>Der Speicher ist ausgegangen: {error}. Schließen Sie andere Programme, oder wählen Sie ein kleineres Modell oder Bild.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Merge into object {label}</source>
      <translation>Zu Objekt {label} vereinigen</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Merge objects</source>
      <translation>Vereinigen</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Mixed into what the model sees, as it is displayed.</source>
      <translation>In das gemischt, was das Modell sieht, so wie es angezeigt wird.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Mixed into what the model sees, in up to {count} colours.</source>
      <translation>In das gemischt, was das Modell sieht, in bis zu {count} Farben.</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Modality</source>
      <translation>Modalität</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Model</source>
      <translation>Modell</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Models</source>
      <translation>Modelle</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Models (*.onnx *.yaml *.safetensors);;All files (*)</source>
      <translation>Modelle (*.onnx *.yaml *.safetensors);;Alle Dateien (*)</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>More</source>
      <translation>Mehr</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Move a cursor by the arrow keys and click by Enter; once more ends it.</source>
      <translation>Einen Zeiger mit den Pfeiltasten bewegen und mit Enter klicken; noch einmal beendet ihn.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Move the contour of every answer onto edges of the image nearby.</source>
      <translation>Den Rand jeder Antwort auf nahe Kanten im Bild rücken.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Name</source>
      <translation>Name</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Network</source>
      <translation>Netz</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>New folder for a training set</source>
      <translation>Neuer Ordner für Trainingsdaten</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>New number</source>
      <translation>Neue Nummer</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>New number…</source>
      <translation>Neue Nummer …</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>New object</source>
      <translation>Neues Objekt</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>New work has begun meanwhile; the earlier work stays saved.</source>
      <translation>Inzwischen wurde neue Arbeit begonnen; die frühere bleibt gespeichert.</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>New {what} of {name!r} taken back: it lies where {name2!r} does. Set that of the image, and all its layers follow.</source>
      <translation>Neues {what} von {name!r} zurückgenommen: Die Ebene liegt dort, wo {name2!r} liegt. Stellen Sie es beim Bild ein, dann folgen alle seine Ebenen.</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>New {what} of {name!r}: labels and clicks follow.</source>
      <translation>Neues {what} von {name!r}: Labels und Klicks folgen.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Next</source>
      <translation>Nächste</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Next image</source>
      <translation>Nächstes Bild</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Next plane to check</source>
      <translation>Nächste zu prüfen</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>No better: nothing changed ({n} objects held out, {before:.1f} clicks each).</source>
      <translation>Nicht besser: Nichts hat sich geändert ({n} Objekte zurückgehalten, je {before:.1f} Klicks).</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>No click changes it. Untick it to go on with it.</source>
      <translation>Kein Klick ändert es. Häkchen entfernen, um daran weiterzuarbeiten.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>No folder is chosen yet.</source>
      <translation>Noch ist kein Ordner gewählt.</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>No folder is open as a queue. Open one from File › IO Utilities.</source>
      <translation>Es ist kein Ordner als Liste geöffnet. Öffnen Sie einen über File › IO Utilities.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>No image is chosen. Open an image, then choose it above.</source>
      <translation>Es ist kein Bild gewählt. Öffnen Sie ein Bild und wählen Sie es oben.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>No more objects like these were found here.</source>
      <translation>Hier wurden keine weiteren solchen Objekte gefunden.</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>No point is labelled.</source>
      <translation>Kein Punkt ist beschriftet.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>No.</source>
      <translation>Nr.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Nothing changes its pixels.</source>
      <translation>Nichts ändert seine Pixel.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Nothing changes the pixels of a locked object. Accepted objects are locked by default.</source>
      <translation>Nichts ändert die Pixel eines gesperrten Objekts. Angenommene Objekte sind von vornherein gesperrt.</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Nothing is split.</source>
      <translation>Es wird nichts geteilt.</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Nothing runs that can be cancelled.</source>
      <translation>Es läuft nichts, was sich abbrechen ließe.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Nothing to propagate yet. Click on the object first.</source>
      <translation>Noch nichts auszubreiten. Klicken Sie zuerst auf das Objekt.</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Now click in the other part of object {label}.</source>
      <translation>Klicken Sie jetzt in den anderen Teil von Objekt {label}.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Number format; automatic takes half precision where that is fast.</source>
      <translation>Zahlenformat; automatisch nimmt halbe Genauigkeit, wo das schnell ist.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Number of object {chosen}:</source>
      <translation>Nummer von Objekt {chosen}:</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Object</source>
      <translation>Objekt</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Object {label} answered in 3-D, {planes} beside plane {number}.</source>
      <translation>Objekt {label} in 3-D beantwortet, {planes} neben Schicht {number}.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {label} followed to {n} time point.</source>
      <translation>Objekt {label} bis zu {n} Zeitpunkt verfolgt.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {label} followed to {n} time points.</source>
      <translation>Objekt {label} über {n} Zeitpunkte verfolgt.</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Object {label} has no pixels to split. Click on it first.</source>
      <translation>Objekt {label} hat keine Pixel, die geteilt werden könnten. Klicken Sie zuerst darauf.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Object {label} has not been begun.</source>
      <translation>Objekt {label} wurde noch nicht begonnen.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Object {label} is accepted.</source>
      <translation>Objekt {label} ist angenommen.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {label} is accepted. Next: object {object}, still open; New object begins another.</source>
      <translation>Objekt {label} ist angenommen. Weiter mit Objekt {object}, noch offen; Neues Objekt beginnt ein anderes.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Object {label} is accepted. Next: object {object}.</source>
      <translation>Objekt {label} ist angenommen. Weiter mit Objekt {object}.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {label} is nowhere yet: click on it.</source>
      <translation>Objekt {label} ist noch nirgends: Klicken Sie darauf.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {label} is object {number} now.</source>
      <translation>Objekt {label} ist jetzt Objekt {number}.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Object {label} is open again.</source>
      <translation>Objekt {label} ist wieder offen.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {label} is removed. Undo brings it back.</source>
      <translation>Objekt {label} ist entfernt. Rückgängig bringt es zurück.</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Object {label} is split: object {new} is new.</source>
      <translation>Objekt {label} ist geteilt: Objekt {new} ist neu.</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Object {label} is up to date.</source>
      <translation>Objekt {label} ist auf dem neuesten Stand.</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Object {label} propagated to {planes}.</source>
      <translation>Objekt {label} auf {planes} ausgebreitet.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Object {label} reaches into {named}; they stay. Take them or leave them.</source>
      <translation>Objekt {label} reicht in {named} hinein; sie bleiben. Übernehmen oder lassen Sie sie.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {label} was tidy already.</source>
      <translation>Objekt {label} war schon bereinigt.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Object {label}: click on it.</source>
      <translation>Objekt {label}: Klicken Sie darauf.</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Object {label}: clicks go on with it.</source>
      <translation>Objekt {label}: Klicks gehen damit weiter.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {label}: {n} plane tidied.</source>
      <translation>Objekt {label}: {n} Schicht bereinigt.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {label}: {n} planes tidied.</source>
      <translation>Objekt {label}: {n} Schichten bereinigt.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Object {label}: {words}</source>
      <translation>Objekt {label}: {words}</translation>
    </message>
    <message>
      <location filename="../layers/polygon_editor.py" />
      <source>Object {object} has no pixels on this plane. Click on it first.</source>
      <translation>Objekt {object} hat auf dieser Schicht keine Pixel. Klicken Sie zuerst darauf.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Object {object}, plane {axis} = {number}, {sure:.0f} % sure; {left} more to check. Click to correct it, then propagate again.</source>
      <translation>Objekt {object}, Schicht {axis} = {number}, zu {sure:.0f} % sicher; noch {left} zu prüfen. Klicken Sie, um zu korrigieren, und breiten Sie dann erneut aus.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Object {object}: left click says what belongs to it, right click what does not.</source>
      <translation>Objekt {object}: Linksklick auf das, was dazugehört, Rechtsklick auf das, was nicht dazugehört.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {others} is part of object {into} now.</source>
      <translation>Objekt {others} gehört jetzt zu Objekt {into}.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Object {own} is object {label} of {name}. Click to correct it.</source>
      <translation>Objekt {own} ist Objekt {label} aus {name}. Klicken Sie, um es zu korrigieren.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Objects</source>
      <translation>Objekte</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>Objects were changed while they were linked. Link them again.</source>
      <translation>Objekte wurden geändert, während sie verknüpft wurden. Bitte noch einmal verknüpfen.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Objects with soft edges; has no weights and learns nothing.</source>
      <translation>Objekte mit weichen Rändern; ohne Gewichte, nichts Gelerntes.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Objects {others} are part of object {into} now.</source>
      <translation>Die Objekte {others} gehören jetzt zu Objekt {into}.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Of the open image, and of all images of the folder that are done; {least} at least. A third of them, at most 12, is only measured.</source>
      <translation>Aus dem offenen Bild und aus allen fertigen Bildern des Ordners; mindestens {least}. Ein Drittel davon, höchstens 12, wird nur gemessen.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>One object from a box and a click inside, then corrections.</source>
      <translation>Ein Objekt aus einem Rahmen und einem Klick darin, danach Korrekturen.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>One object from a loose box.</source>
      <translation>Ein Objekt aus einem lockeren Rahmen.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>One object from four extreme points.</source>
      <translation>Ein Objekt aus vier Extrempunkten.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Only before the first click: clicks, labels and undo belong to this layer.
To change it now, duplicate the labels, remove both layers of this image, and take
the duplicate up again by Start from masks.</source>
      <translation>Nur vor dem ersten Klick: Klicks, Labels und Rückgängig gehören zu dieser Ebene.
Um jetzt zu wechseln, die Labels duplizieren, beide Ebenen zu diesem Bild entfernen
und das Duplikat unter „Mit Masken beginnen“ wieder übernehmen.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Only in region</source>
      <translation>Nur im Bereich</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Only inside</source>
      <translation>Nur innerhalb</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Open an image to begin, or try a sample: File › Open Sample.</source>
      <translation>Öffnen Sie zu Beginn ein Bild oder ein Beispiel: File › Open Sample.</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Open scan</source>
      <translation>Untersuchung öffnen</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Open scan: folder with DICOM files</source>
      <translation>Untersuchung öffnen: Ordner mit DICOM-Dateien</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Open the next image; of this one nothing is saved, and it is not asked for again.</source>
      <translation>Das nächste Bild öffnen; von diesem wird nichts gespeichert, und es kommt nicht wieder.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Open, accepted, locked, or failed; hover to read why.</source>
      <translation>Offen, angenommen, gesperrt oder fehlerhaft; mit der Maus darüber steht, warum.</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>Opening {name} …</source>
      <translation>{name} wird geöffnet …</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Organs and lesions in CT, MR and ultrasound, from a box.</source>
      <translation>Organe und Läsionen in CT, MR und Ultraschall, aus einem Rahmen.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Organs and lesions in whole CT and MR volumes at once.</source>
      <translation>Organe und Läsionen in ganzen CT- und MR-Volumen auf einmal.</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Other objects' pixels</source>
      <translation>Pixel anderer Objekte</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Others' pixels</source>
      <translation>Fremde Pixel</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Outlines</source>
      <translation>Umrisse</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Paper: {paper}</source>
      <translation>Veröffentlichung: {paper}</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Photographs with one main object, which the first click names.</source>
      <translation>Fotos mit einem Hauptobjekt, das der erste Klick nennt.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Pictures (*.png)</source>
      <translation>Bilder (*.png)</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Planes to look at, the least sure first. Choose one to see it.</source>
      <translation>Schichten zum Ansehen, die unsichersten zuerst. Wählen Sie eine, um sie zu sehen.</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Point cloud</source>
      <translation>Punktwolke</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Points in a cube of this edge round a click are of its sign, in the cloud's unit.</source>
      <translation>Punkte in einem Würfel dieser Kantenlänge um einen Klick haben dessen Vorzeichen; in der Einheit der Wolke.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Precision</source>
      <translation>Zahlen</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Press Use it to have it answer clicks.</source>
      <translation>Mit „Verwenden“ antwortet es auf Klicks.</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Press to show or fold the choices.</source>
      <translation>Drücken, um die Auswahl zu zeigen oder einzuklappen.</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Press to swap the two.</source>
      <translation>Drücken, um beide zu vertauschen.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Previous</source>
      <translation>Vorige</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Previous image</source>
      <translation>Voriges Bild</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Private key</source>
      <translation>Privater Schlüssel</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Prompts</source>
      <translation>Eingaben</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Prompts here that {name} does not take are left out.</source>
      <translation>Eingaben hier, die {name} nicht annimmt, bleiben unberücksichtigt.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Propagate</source>
      <translation>Ausbreiten</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Propagate all</source>
      <translation>Alle ausbreiten</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Propagate at most so far from a clicked plane; 0: no limit.</source>
      <translation>Höchstens so weit von einer angeklickten Schicht ausbreiten; 0: ohne Grenze.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Propagate within these planes only, both included; numbers are the slider's.</source>
      <translation>Nur innerhalb dieser Schichten ausbreiten, beide eingeschlossen; Nummern wie am Schieberegler.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Propagating</source>
      <translation>Ausbreitung</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>Propagation and smoothing keep the spacing with which they were begun here; remove the Labels layer to begin anew with the new one.</source>
      <translation>Ausbreitung und Glättung behalten den Abstand, mit dem sie hier begonnen wurden; entfernen Sie die Labels-Ebene, um mit dem neuen neu zu beginnen.</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Propagation cancelled; {planes} done and kept.</source>
      <translation>Ausbreitung abgebrochen; {planes} fertig und behalten.</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Propagation ended because its layers were removed.</source>
      <translation>Die Ausbreitung endete, weil ihre Ebenen entfernt wurden.</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>Propagation ended because object {label} was removed.</source>
      <translation>Die Ausbreitung endete, weil Objekt {label} entfernt wurde.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Propagation needs clicks in a volume. Choose a 3-D image.</source>
      <translation>Die Ausbreitung braucht Klicks in einem Volumen. Wählen Sie ein 3-D-Bild.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Put B's next answer in place.</source>
      <translation>Die nächste Antwort von B einsetzen.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Put B's previous answer in place.</source>
      <translation>Die vorige Antwort von B einsetzen.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Put the answer before it in place.</source>
      <translation>Die vorige Antwort einsetzen.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Put the images that are left in an order by the model's doubt.</source>
      <translation>Die übrigen Bilder nach dem Zweifel des Modells ordnen.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Put the model's next answer in place.</source>
      <translation>Die nächste Antwort des Modells einsetzen.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Reach</source>
      <translation>Reichweite</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Reading {slices} slices …</source>
      <translation>{slices} Schichten werden gelesen …</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Redo</source>
      <translation>Wiederholen</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Redo object</source>
      <translation>Objekt wiederholen</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Redo {what}</source>
      <translation>{what} wiederholen</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Redo: {title}.</source>
      <translation>Wiederholt: {title}.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Refine by graph cut</source>
      <translation>Mit Graph-Cut verfeinern</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Refused, since tcp:// to another machine is not encrypted: whoever is on the way reads the images, and can run programs on both machines. Use certificates and tls://, or an SSH tunnel: ssh -L 8786:127.0.0.1:8786 HOST, then tcp://127.0.0.1:8786.</source>
      <translation>Abgelehnt, da tcp:// zu einem anderen Rechner nicht verschlüsselt ist: Wer auf dem Weg dazwischen sitzt, liest die Bilder mit und kann auf beiden Rechnern Programme ausführen. Verwenden Sie Zertifikate und tls://, oder einen SSH-Tunnel: ssh -L 8786:127.0.0.1:8786 HOST, dann tcp://127.0.0.1:8786.</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Remarks</source>
      <translation>Bemerkungen</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Remove all embeddings in the folder; nothing else is touched.</source>
      <translation>Alle Einbettungen im Ordner entfernen; sonst wird nichts angerührt.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Remove object</source>
      <translation>Objekt entfernen</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Remove the current object with its clicks and its mask. Undo brings it back.</source>
      <translation>Das aktuelle Objekt mit Klicks und Maske entfernen. Rückgängig bringt es zurück.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Remove what was saved of that work.</source>
      <translation>Entfernen, was von dieser Arbeit gespeichert ist.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Rename…</source>
      <translation>Umbenennen …</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Reopen</source>
      <translation>Wieder öffnen</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Replace the file?</source>
      <translation>Datei ersetzen?</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Right-click an object for what can be done with it.</source>
      <translation>Rechtsklick auf ein Objekt zeigt, was damit getan werden kann.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Right-click on what does not belong to it.</source>
      <translation>Rechtsklick auf das, was nicht dazugehört.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Save the labels so far, and open the image before.</source>
      <translation>Die Labels bis hierher speichern und das vorige Bild öffnen.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Save the labels so far, and open the next image that is open; this one stays open.</source>
      <translation>Die Labels bis hierher speichern und das nächste offene Bild öffnen; dieses bleibt offen.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Save the labels, and open the next image.</source>
      <translation>Die Labels speichern und das nächste Bild öffnen.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Save work elsewhere …</source>
      <translation>Anderswo speichern …</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Save work in</source>
      <translation>Arbeit speichern in</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Scribble</source>
      <translation>Strich</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Scribble: drag along the object; with Shift, along what is not part of it.</source>
      <translation>Strich: Am Objekt entlang ziehen; mit Umschalt an dem entlang, was nicht dazugehört.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>Search cancelled; nothing was found so far.</source>
      <translation>Suche abgebrochen; bis dahin wurde nichts gefunden.</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Segment</source>
      <translation>Segment</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Select points of the cloud, then say what they are on.</source>
      <translation>Punkte der Wolke auswählen, dann sagen, worauf sie liegen.</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Selected points are not</source>
      <translation>Ausgewählte Punkte nicht</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Selected points are on it</source>
      <translation>Ausgewählte Punkte liegen darauf</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Several with commas between them: nucleus, cytoplasm.</source>
      <translation>Mehrere durch Kommas getrennt: nucleus, cytoplasm.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Share clicks on this plane</source>
      <translation>Klicks dieser Ebene teilen</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Show all channels at once: a layer for each, added up in colour, in place of this
one. The model then sees the mix that is displayed.</source>
      <translation>Alle Kanäle zugleich zeigen: eine Ebene für jeden, in Farbe addiert, anstelle dieser.
Das Modell sieht dann die Mischung, die angezeigt wird.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Show labels as outlines, or filled again.</source>
      <translation>Die Labels als Umrisse zeigen, oder wieder gefüllt.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>Show the model noisy slices with less noise; others stay as they are. The image on
the canvas is never changed. Undo takes it back.</source>
      <translation>Dem Modell verrauschte Schichten mit weniger Rauschen zeigen; andere bleiben, wie sie sind.
Das Bild selbst wird nie verändert. Rückgängig nimmt es zurück.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Show the plane that is least sure: of the object, then of the others not accepted.</source>
      <translation>Die unsicherste Schicht zeigen: des Objekts, dann der anderen nicht angenommenen.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Size</source>
      <translation>Größe</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Skip</source>
      <translation>Auslassen</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Slices</source>
      <translation>Schichten</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Small, quick corrections, also on a CPU.</source>
      <translation>Kleine, schnelle Korrekturen, auch auf einer CPU.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Smooth</source>
      <translation>Glätten</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Smooth and simplify all outlines that are not accepted or locked, now and from now on.
All the way left they are as the model gave them. Every export has them as seen.</source>
      <translation>Alle Umrisse glätten und vereinfachen, die nicht angenommen oder gesperrt sind, jetzt und künftig.
Ganz links bleiben sie, wie das Modell sie gab. Jeder Export enthält sie wie gezeigt.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Smooth outlines</source>
      <translation>Umrisse glätten</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Smooth, compact objects, from four extreme points.</source>
      <translation>Glatte, kompakte Objekte aus vier Extrempunkten.</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>Spacing (mm)</source>
      <translation>Abstand (mm)</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Split by two clicks</source>
      <translation>Durch zwei Klicks teilen</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Split object {label}: click in one part, then in the other.</source>
      <translation>Objekt {label} teilen: in den einen Teil klicken, dann in den anderen.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Start from</source>
      <translation>Vorlage</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Start from masks</source>
      <translation>Mit Masken beginnen</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>State</source>
      <translation>Stand</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>Still wanted here: {wanted}.</source>
      <translation>Hier fehlt noch: {wanted}.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Stop following</source>
      <translation>Anhalten</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Stop learning; nothing changes.</source>
      <translation>Das Lernen abbrechen; nichts ändert sich.</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>Stop linking</source>
      <translation>Verknüpfen beenden</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Stop what is under way; what is done is kept.</source>
      <translation>Anhalten, was läuft; Fertiges bleibt.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>Stopped after {n} click.</source>
      <translation>Nach {n} Klick angehalten.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>Stopped after {n} clicks.</source>
      <translation>Nach {n} Klicks angehalten.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Such a file holds neither the spacing nor the place of the image.</source>
      <translation>Eine solche Datei enthält weder die Abstände noch die Lage des Bildes.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Suggest next click</source>
      <translation>Klick vorschlagen</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Suggested clicks</source>
      <translation>Vorgeschlagene Klicks</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>Suggested: click at the yellow ring, left if it belongs to the object and right if it does not.</source>
      <translation>Vorschlag: auf den gelben Ring klicken, links, wenn die Stelle zum Objekt gehört, rechts, wenn nicht.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Swap signs</source>
      <translation>Vertauschen</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Swap what a left and a right click say.</source>
      <translation>Vertauschen, was Links- und Rechtsklick bedeuten.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>TIFF holds the spacing, but not the place and direction of the image.</source>
      <translation>TIFF enthält die Abstände, aber nicht Lage und Richtung des Bildes.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Take</source>
      <translation>Nehmen</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Take a weight file that you have; it is told by its content.</source>
      <translation>Eine Gewichtsdatei nehmen, die Sie schon haben; sie wird an ihrem Inhalt erkannt.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Take all</source>
      <translation>Alle nehmen</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Take back the last action for the current object alone; others stay as they are.</source>
      <translation>Die letzte Aktion nur für das aktuelle Objekt zurücknehmen; andere bleiben.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Take back the last click, propagation or object.</source>
      <translation>Den letzten Klick, die letzte Ausbreitung oder das letzte Objekt zurücknehmen.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Take every object of the layer, each as one of its own.</source>
      <translation>Jedes Objekt der Ebene als eigenes übernehmen.</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Take the keys to the panel, where they were last; once more, or Escape, takes them back to the image.</source>
      <translation>Die Tasten in die Leiste holen, dorthin, wo sie zuletzt waren; noch einmal oder Escape bringt sie zum Bild zurück.</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>Take the last click back</source>
      <translation>Letzten Klick zurücknehmen</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Take the polygon away; the mask stays as it is.</source>
      <translation>Das Vieleck wegnehmen; die Maske bleibt, wie sie ist.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Take them</source>
      <translation>Übernehmen</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>Take them below, then click where one is wrong.</source>
      <translation>Übernehmen Sie die Objekte unten und klicken Sie, wo eines falsch ist.</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>That is not in object {label}. Click inside it, once in each part.</source>
      <translation>Das liegt nicht in Objekt {label}. Klicken Sie hinein, einmal in jeden Teil.</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>That was the last image: all are done or skipped.</source>
      <translation>Das war das letzte Bild: Alle sind fertig oder übersprungen.</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>The Points layer whose points are labelled.</source>
      <translation>Die Points-Ebene, deren Punkte beschriftet werden.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>The answer reaches into {named}.</source>
      <translation>Die Antwort reicht in {named} hinein.</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>The arrow keys are napari's again.</source>
      <translation>Die Pfeiltasten gehören wieder napari.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>The colour in which the model sees channel {number} of those chosen.</source>
      <translation>Die Farbe, in der das Modell Kanal {number} der gewählten sieht.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>The comparison ended meanwhile.</source>
      <translation>Der Vergleich wurde inzwischen beendet.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>The connection to {address} is lost: trying again.</source>
      <translation>Die Verbindung zu {address} ist abgebrochen: neuer Versuch.</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>The data of {name!r} was replaced</source>
      <translation>Die Daten von {name!r} wurden ersetzt</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>The file {path} could not be removed: {err}.</source>
      <translation>Die Datei {path} konnte nicht entfernt werden: {err}.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>The folder cannot be used: {error}. Choose another.</source>
      <translation>Der Ordner kann nicht verwendet werden: {error}. Wählen Sie einen anderen.</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>The folder holds these series. Which one is to be opened?</source>
      <translation>Der Ordner enthält diese Serien. Welche soll geöffnet werden?</translation>
    </message>
    <message>
      <location filename="../layers/image_axes.py" />
      <source>The image is given data of other axes. Press New object to start on that.</source>
      <translation>Das Bild erhält Daten mit anderen Achsen. Drücken Sie „Neues Objekt“, um damit zu beginnen.</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>The image is gone; what was found is left out.</source>
      <translation>Das Bild ist nicht mehr da; das Gefundene wird verworfen.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>The image layer to segment. It is never changed.</source>
      <translation>Die Bildebene, die segmentiert wird. Sie wird nie verändert.</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>The image layer {name!r} was removed</source>
      <translation>Die Bildebene {name!r} wurde entfernt</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>The images that are left are looked at in the background; the least sure comes first.</source>
      <translation>Die übrigen Bilder werden im Hintergrund angesehen; das unsicherste kommt zuerst.</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>The interrupted work is kept: it is offered again when the image is opened anew.</source>
      <translation>Die unterbrochene Arbeit bleibt erhalten: Sie wird wieder angeboten, wenn das Bild neu geöffnet wird.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>The key that belongs to the certificate.</source>
      <translation>Der Schlüssel, der zum Zertifikat gehört.</translation>
    </message>
    <message>
      <location filename="../panels/controls.py" />
      <source>The key {key} means something else here.</source>
      <translation>Die Taste {key} bedeutet hier etwas anderes.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>The labels are kept in {path}.</source>
      <translation>Die Labels liegen in {path}.</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>The labels layer {name!r} was removed</source>
      <translation>Die Labels-Ebene {name!r} wurde entfernt</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>The labels of {name} are kept: open it again from All images to save them.</source>
      <translation>Die Labels von {name} sind nicht verloren: öffnen Sie es wieder aus „Alle Bilder“, um sie zu speichern.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>The labels were removed while they were copied.</source>
      <translation>Die Labels wurden während des Kopierens entfernt.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>The layer {name!r} was removed, so the comparison has ended. Choose a second model to begin again.</source>
      <translation>Die Ebene {name!r} wurde entfernt, der Vergleich ist damit beendet. Wählen Sie ein zweites Modell, um neu zu beginnen.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>The model does not see {name!r} yet: tick it under Channels.</source>
      <translation>Das Modell sieht {name!r} noch nicht: haken Sie es unter Kanäle an.</translation>
    </message>
    <message>
      <location filename="../qt/worker_thread.py" />
      <source>The model failed: {kind}: {error}. Choose another model or device; if it persists, please report it with this text.</source>
      <translation>Das Modell ist gescheitert: {kind}: {error}. Wählen Sie ein anderes Modell oder Gerät; bleibt der Fehler, melden Sie ihn bitte mit diesem Text.</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>The model gave one answer here. SAM and its kin give several after a single click; other models do with *several answers* ticked, among what the model sees.</source>
      <translation>Das Modell gab hier nur eine Antwort. SAM und Verwandte geben nach einem einzelnen Klick mehrere; andere Modelle dann, wenn unter „Was das Modell sieht“ *mehrere Antworten* angehakt ist.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>The model is not there yet.</source>
      <translation>Das Modell ist noch nicht bereit.</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>The model is not there yet. Wait until it is.</source>
      <translation>Das Modell ist noch nicht bereit. Warten Sie, bis es geladen ist.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>The model sees the plane before in red, this one in green, the next in blue (2.5-D).</source>
      <translation>Das Modell sieht die vorige Schicht in Rot, diese in Grün, die nächste in Blau (2,5-D).</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>The model that answers clicks.</source>
      <translation>Das Modell, das Klicks beantwortet.</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>The model that learnt from this project's objects is used.</source>
      <translation>Das Modell, das aus den Objekten dieses Projekts gelernt hat, wird verwendet.</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>The object is accepted. Untick it in the list to go on with it.</source>
      <translation>Das Objekt ist angenommen. Entfernen Sie in der Liste das Häkchen, um daran weiterzuarbeiten.</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>The object that the clicks are for.</source>
      <translation>Das Objekt, dem die Klicks gelten.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>The object's label in that layer: hover over it to see it.</source>
      <translation>Das Label des Objekts in jener Ebene: Mit der Maus darüber ist es zu sehen.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>The other objects keep these pixels, as they do until you answer.</source>
      <translation>Die anderen Objekte behalten diese Pixel, wie auch bis zu Ihrer Antwort.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>The plane in sight at all time points. A model for videos sees them together; of others an object goes on where it overlaps itself.</source>
      <translation>Die sichtbare Schicht zu allen Zeitpunkten. Ein Modell für Videos sieht sie zusammen; bei anderen geht ein Objekt dort weiter, wo es sich selbst überlappt.</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>The points layer {name!r} was removed</source>
      <translation>Die Punkte-Ebene {name!r} wurde entfernt</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>The second model gave one answer here. SAM and its kin give several.</source>
      <translation>Das zweite Modell gab hier nur eine Antwort. SAM und Verwandte geben mehrere.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>The value of this channel that the model sees as bright.</source>
      <translation>Der Wert dieses Kanals, den das Modell als hell sieht.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>The value of this channel that the model sees as dark.</source>
      <translation>Der Wert dieses Kanals, den das Modell als dunkel sieht.</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>The vertices beside one that is moved go with it, and to the edge of the image there.</source>
      <translation>Die Eckpunkte neben einem verschobenen gehen mit, bis an die Kante im Bild.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>The weights {file} are not here yet.</source>
      <translation>Die Gewichte {file} sind noch nicht hier.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>There are no labels to keep yet. Begin an object first.</source>
      <translation>Es gibt noch keine Labels. Beginnen Sie zuerst ein Objekt.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>There are no labels yet. Begin an object and click on it first.</source>
      <translation>Es gibt noch keine Labels. Beginnen Sie ein Objekt und klicken Sie darauf.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>There are no outlines yet. Click on an object.</source>
      <translation>Es gibt noch keine Umrisse. Klicken Sie auf ein Objekt.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is an object {number} already. Choose another number, or select both rows and merge them.</source>
      <translation>Objekt {number} gibt es schon. Wählen Sie eine andere Nummer, oder markieren Sie beide Zeilen und vereinigen Sie sie.</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>There is no DICOM image in {name!r}. Choose another folder.</source>
      <translation>In {name!r} ist kein DICOM-Bild. Wählen Sie einen anderen Ordner.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is no answer to doubt yet. Click first.</source>
      <translation>Es gibt noch keine Antwort, die fraglich sein könnte. Klicken Sie zuerst.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is no disagreement on this plane, hence no click to suggest.</source>
      <translation>Auf dieser Schicht stimmen beide überein, daher gibt es keinen Klick vorzuschlagen.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>There is no object to give a number to yet.</source>
      <translation>Es gibt noch kein Objekt, das eine Nummer erhalten könnte.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is no object to remove yet.</source>
      <translation>Es gibt noch kein Objekt, das entfernt werden könnte.</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>There is no object to split yet. Click on one first.</source>
      <translation>Es gibt noch kein Objekt zum Teilen. Klicken Sie zuerst auf eines.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is no object yet. Press New object, then click.</source>
      <translation>Es gibt noch kein Objekt. Drücken Sie „Neues Objekt“ und klicken Sie dann.</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>There is no other image in that direction.</source>
      <translation>In dieser Richtung gibt es kein weiteres Bild.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>There is no plane to check yet. Propagate first.</source>
      <translation>Es gibt noch keine Schicht zu prüfen. Breiten Sie zuerst aus.</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>There is nothing of that kind here.</source>
      <translation>Dergleichen gibt es hier nicht.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is nothing to accept yet. Click on the object first.</source>
      <translation>Es gibt noch nichts anzunehmen. Klicken Sie zuerst auf das Objekt.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>There is nothing to export yet. Click on an object first.</source>
      <translation>Es gibt noch nichts zu exportieren. Klicken Sie zuerst auf ein Objekt.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>There is nothing to follow: click on an object in a time series.</source>
      <translation>Es gibt nichts zu verfolgen: Klicken Sie auf ein Objekt in einer Zeitreihe.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>There is nothing to go by yet. Click on an object or two first.</source>
      <translation>Es gibt noch kein Vorbild. Klicken Sie zuerst auf ein oder zwei Objekte.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>There is nothing to go by yet. Click on the object first.</source>
      <translation>Es gibt noch nichts, wonach man sich richten könnte. Klicken Sie zuerst auf das Objekt.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is nothing to hand over yet. Choose a second model, then click.</source>
      <translation>Es gibt noch nichts zu übergeben. Wählen Sie ein zweites Modell, dann klicken Sie.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is nothing to keep yet. Choose a second model, then click.</source>
      <translation>Es gibt noch nichts zu übernehmen. Wählen Sie ein zweites Modell, dann klicken Sie.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is nothing to keep: that mask is empty here.</source>
      <translation>Es gibt nichts zu übernehmen: Diese Maske ist hier leer.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>There is nothing to link yet: no object has a pixel.</source>
      <translation>Noch gibt es nichts zu verknüpfen: Kein Objekt hat ein Pixel.</translation>
    </message>
    <message>
      <location filename="../controllers/view_settings.py" />
      <source>There is nothing to look at yet. Begin an object first.</source>
      <translation>Es gibt noch nichts zu sehen. Beginnen Sie zuerst ein Objekt.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is nothing to protect yet. Begin an object first.</source>
      <translation>Es gibt noch nichts zu schützen. Beginnen Sie zuerst ein Objekt.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is nothing to redo of object {label}.</source>
      <translation>Für Objekt {label} gibt es nichts wiederherzustellen.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>There is nothing to redo.</source>
      <translation>Es gibt nichts zu wiederholen.</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>There is nothing to suggest yet. Click on the object first.</source>
      <translation>Es gibt noch nichts vorzuschlagen. Klicken Sie zuerst auf das Objekt.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>There is nothing to tidy yet. Click on the object first.</source>
      <translation>Es gibt noch nichts zu bereinigen. Klicken Sie zuerst auf das Objekt.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>There is nothing to undo of object {label}.</source>
      <translation>Für Objekt {label} gibt es nichts rückgängig zu machen.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>There is nothing to undo.</source>
      <translation>Es gibt nichts rückgängig zu machen.</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>This object</source>
      <translation>Dieses Objekt</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Time</source>
      <translation>Zeit</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>Too large to be counted while you work; Measure counts it.</source>
      <translation>Zu groß, um während der Arbeit gezählt zu werden; „Messen“ zählt es.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Train the bundled model on the objects that you have finished, and see how many clicks that saves on others of them.</source>
      <translation>Das mitgelieferte Modell an den fertigen Objekten trainieren und sehen, wie viele Klicks das an anderen von ihnen spart.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Truth</source>
      <translation>Referenz</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Undo</source>
      <translation>Rückgängig</translation>
    </message>
    <message>
      <location filename="../qt/keybindings.py" />
      <source>Undo object</source>
      <translation>Objekt zurück</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Undo {what}</source>
      <translation>{what} zurück</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>Undo: {title}.</source>
      <translation>Rückgängig: {title}.</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>Unlock pixels</source>
      <translation>Pixel entsperren</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Use</source>
      <translation>Verwenden</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Use a weight file that you have already.</source>
      <translation>Eine Gewichtsdatei verwenden, die Sie schon haben.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Use it</source>
      <translation>Verwenden</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Very exact outlines over many clicks.</source>
      <translation>Sehr genaue Umrisse über viele Klicks.</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>Volume</source>
      <translation>Volumen</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>Volumes: all planes are answered together.</source>
      <translation>Volumen: Alle Ebenen werden zusammen beantwortet.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Weight files ({endings})</source>
      <translation>Gewichtsdateien ({endings})</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Weights: {size:g} MB, licence {licence}</source>
      <translation>Gewichte: {size:g} MB, Lizenz {licence}</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>What happens to pixels of other objects that an answer reaches into. Locked objects keep theirs in any case.</source>
      <translation>Was mit Pixeln anderer Objekte geschieht, in die eine Antwort hineinreicht. Gesperrte Objekte behalten ihre in jedem Fall.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>What it was trained on; micro-sam: cells and nuclei.</source>
      <translation>Das, worauf es trainiert wurde; micro-sam: Zellen und Kerne.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>What the leading axes of the image are.</source>
      <translation>Was die vorderen Achsen des Bildes sind.</translation>
    </message>
    <message>
      <location filename="../dock.py" />
      <source>What the model sees</source>
      <translation>Was das Modell sieht</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>What was given: clicks, boxes, scribbles, lassos, or a mask to start from.</source>
      <translation>Was gegeben wurde: Klicks, Rahmen, Striche, Lassos oder eine Maske als Anfang.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>What you painted or erased by hand is kept when further clicks come. This lets the model's answers count again there.</source>
      <translation>Was Sie von Hand malten oder löschten, bleibt bei weiteren Klicks. Dies lässt dort wieder die Antworten des Modells gelten.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Where `napari-intseg serve` runs; it prints the address.</source>
      <translation>Wo `napari-intseg serve` läuft; es gibt die Adresse aus.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>Where are the labels to be saved?</source>
      <translation>Wo sollen die Labels gespeichert werden?</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>Where it runs; automatic takes a GPU if there is one.</source>
      <translation>Wo gerechnet wird; automatisch nimmt eine GPU, falls es eine gibt.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Where to keep embeddings</source>
      <translation>Wo Einbettungen abgelegt werden</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>Which of the model's answers is in place, and how good it thinks.</source>
      <translation>Welche Antwort des Modells eingesetzt ist, und für wie gut es sie hält.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>Which of the second model's answers is in place.</source>
      <translation>Welche Antwort des zweiten Modells eingesetzt ist.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Without pixels, and so not in the file: {names}.</source>
      <translation>Ohne Pixel und darum nicht in der Datei: {names}.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>Words</source>
      <translation>Wörter</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Work is saved in {folder} from now on.</source>
      <translation>Die Arbeit wird von jetzt an in {folder} gespeichert.</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Work on this image was interrupted: {n} action, on {when}.</source>
      <translation>Die Arbeit an diesem Bild wurde unterbrochen: {n} Aktion, am {when}.</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>Work on this image was interrupted: {n} actions, the last on {when}.</source>
      <translation>Die Arbeit an diesem Bild wurde unterbrochen: {n} Aktionen, die letzte am {when}.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Write a table of all objects: volume or area, largest diameter, mean and standard deviation of the image, in physical units.</source>
      <translation>Eine Tabelle aller Objekte schreiben: Volumen oder Fläche, größter Durchmesser, Mittelwert und Standardabweichung des Bildes, in physikalischen Einheiten.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Write only inside the shapes or labels of this layer.</source>
      <translation>Nur innerhalb der Formen oder Labels dieser Ebene schreiben.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>Write only where this object is: its pixels are taken from it.</source>
      <translation>Nur schreiben, wo dieses Objekt ist: Seine Pixel werden ihm genommen.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>Write the labels to a file, with the geometry of the image as far as the format holds it.</source>
      <translation>Die Labels in eine Datei schreiben, mit der Geometrie des Bildes, soweit das Format sie aufnimmt.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>Writing a file</source>
      <translation>Eine Datei wird geschrieben</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>Writing the training set …</source>
      <translation>Die Trainingsdaten werden geschrieben …</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Writing {name} was cancelled; nothing has changed.</source>
      <translation>Das Schreiben von {name} wurde abgebrochen; nichts hat sich geändert.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Writing {name} …</source>
      <translation>{name} wird geschrieben …</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>Wrote {name} and others, {count} time points.</source>
      <translation>{name} und weitere geschrieben, {count} Zeitpunkte.</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>Wrote {name}{which}.</source>
      <translation>{name} geschrieben{which}.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>abdomen</source>
      <translation>Abdomen</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>accepted</source>
      <translation>angenommen</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>angio</source>
      <translation>Angio</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>answer in 3-D</source>
      <translation>in 3-D antworten</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>answered in {ms:.0f} ms</source>
      <translation>in {ms:.0f} ms beantwortet</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>as chosen earlier</source>
      <translation>wie zuvor gewählt</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>as displayed</source>
      <translation>wie angezeigt</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>as far as it goes</source>
      <translation>unbegrenzt</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>ask me</source>
      <translation>mich fragen</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>automatic</source>
      <translation>automatisch</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>belongs to the object</source>
      <translation>gehört zum Objekt</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>between clicked planes only, by shape</source>
      <translation>nur zwischen Klick-Schichten, nach Form</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>blue</source>
      <translation>Blau</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>bone</source>
      <translation>Knochen</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>both</source>
      <translation>beide</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>box</source>
      <translation>Rahmen</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>brain</source>
      <translation>Gehirn</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>by the model's memory of all planes</source>
      <translation>durch das Gedächtnis des Modells</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>channels</source>
      <translation>Kanäle</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>channels, planes</source>
      <translation>Kanäle, Schichten</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>channels, time points</source>
      <translation>Kanäle, Zeitpunkte</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>channels, time points, planes</source>
      <translation>Kanäle, Zeitpunkte, Schichten</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>clicks</source>
      <translation>Klicks</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>clicks change their region only</source>
      <translation>Klicks ändern nur ihre Umgebung</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>cyan</source>
      <translation>Cyan</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>does not belong to the object</source>
      <translation>gehört nicht zum Objekt</translation>
    </message>
    <message>
      <location filename="../panels/object_panel.py" />
      <source>each click begins an object</source>
      <translation>jeder Klick beginnt ein Objekt</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>early stroke</source>
      <translation>früher Schlaganfall</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>everywhere</source>
      <translation>überall</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>extreme points</source>
      <translation>Extrempunkte</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>failed</source>
      <translation>fehlerhaft</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>fixed range</source>
      <translation>fester Bereich</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>fixed range for each channel</source>
      <translation>fester Bereich je Kanal</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>float32, exact</source>
      <translation>float32, exakt</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>from </source>
      <translation>von </translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>from each plane to its neighbour</source>
      <translation>von Schicht zu Nachbarschicht</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>full range</source>
      <translation>ganzer Bereich</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>full resolution for large objects</source>
      <translation>volle Auflösung für große Objekte</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>give way, unless locked</source>
      <translation>weichen, außer gesperrte</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>green</source>
      <translation>Grün</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>grey</source>
      <translation>Grau</translation>
    </message>
    <message>
      <location filename="../layers/image_axes.py" />
      <source>image cannot be segmented: expected 2 to 4 axes and channels, got {ndim} in {name!r}. Split the layer first (Layers › Split stack).</source>
      <translation>Das Bild kann nicht segmentiert werden: erwartet werden 2 bis 4 Achsen und Kanäle, erhalten {ndim} in {name!r}. Teilen Sie die Ebene zuerst (Layers › Split stack).</translation>
    </message>
    <message>
      <location filename="../layers/image_axes.py" />
      <source>image cannot be segmented: expected at most 4 axes of an RGB image, got {ndim} in {name!r}. Split the layer first (Layers › Split stack).</source>
      <translation>Das Bild kann nicht segmentiert werden: erwartet werden höchstens 4 Achsen eines RGB-Bildes, erhalten {ndim} in {name!r}. Teilen Sie die Ebene zuerst (Layers › Split stack).</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>keep theirs</source>
      <translation>behalten ihre</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>label</source>
      <translation>Label</translation>
    </message>
    <message>
      <location filename="../controllers/label_export.py" />
      <source>labels are not written over something: expected a new name, got {path!r}. Choose another name.</source>
      <translation>Labels werden nicht über etwas geschrieben: erwartet wird ein neuer Name, erhalten {path!r}. Wählen Sie einen anderen Namen.</translation>
    </message>
    <message>
      <location filename="../storage/disk_folders.py" />
      <source>labels cannot be kept there: expected a folder that can be written to, got {path!r} ({err}). Choose another folder.</source>
      <translation>Die Labels können dort nicht liegen: erwartet wird ein beschreibbarer Ordner, erhalten {path!r} ({err}). Wählen Sie einen anderen Ordner.</translation>
    </message>
    <message>
      <location filename="../storage/disk_folders.py" />
      <source>labels have no place there: expected a new folder, or one with labels of this image that nobody has open, got {path!r}. Choose another name.</source>
      <translation>Die Labels haben dort keinen Platz: erwartet wird ein neuer Ordner oder einer mit Labels dieses Bildes, den niemand geöffnet hat, erhalten {path!r}. Wählen Sie einen anderen Namen.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>lassos</source>
      <translation>Lassos</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>layer is empty: expected labels above 0, got none in {name!r}. Choose another layer.</source>
      <translation>Die Ebene ist leer: erwartet werden Labels über 0, {name!r} enthält keine. Wählen Sie eine andere Ebene.</translation>
    </message>
    <message>
      <location filename="../layers/shapes.py" />
      <source>layer is no region: expected shapes, or labels of shape {shape}, got {name!r}. Draw shapes over the image, or choose another layer.</source>
      <translation>Die Ebene ist kein Bereich: erwartet werden Formen oder Labels der Größe {shape}, erhalten {name!r}. Zeichnen Sie Formen über das Bild oder wählen Sie eine andere Ebene.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>layer is on another grid: expected that of {name!r}, shape {shape}, got shape {shape2} of {name2!r}. Resample it onto the image first.</source>
      <translation>Die Ebene hat ein anderes Raster: erwartet das von {name!r}, Größe {shape}, erhalten Größe {shape2} von {name2!r}. Bringen Sie sie zuerst auf das Raster des Bildes.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>less noise</source>
      <translation>weniger Rauschen</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>level </source>
      <translation>Zentrum </translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>level and width</source>
      <translation>Zentrum und Weite</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>liver</source>
      <translation>Leber</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>localizer</source>
      <translation>Übersichtsaufnahme</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>locked</source>
      <translation>gesperrt</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>lung</source>
      <translation>Lunge</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>magenta</source>
      <translation>Magenta</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>mask</source>
      <translation>Maske</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>mediastinum</source>
      <translation>Mediastinum</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>model is not there yet: expected one that is loaded, got none. Wait until it is, then take the object again.</source>
      <translation>Das Modell ist noch nicht bereit: erwartet wird ein geladenes. Warten Sie, bis es so weit ist, und übernehmen Sie das Objekt dann noch einmal.</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>name</source>
      <translation>Name</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>neck</source>
      <translation>Hals</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>needs the extra {extra!r}</source>
      <translation>braucht das Extra {extra!r}</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>neighbouring planes as colours</source>
      <translation>Nachbarschichten als Farben</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>neighbours follow</source>
      <translation>Nachbarn folgen</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>no image is worked on: expected one that is chosen, got none. Choose an image first.</source>
      <translation>Es wird an keinem Bild gearbeitet: Erwartet wird ein gewähltes. Wählen Sie zuerst ein Bild.</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>no words</source>
      <translation>keine Wörter</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>none</source>
      <translation>keines</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>nothing to learn from: expected at least {least} finished objects of 40 pixels, got {count}. Finish some more.</source>
      <translation>nichts, woraus gelernt werden kann: mindestens {least} fertige Objekte von 40 Pixeln erwartet, {count} gefunden. Stellen Sie weitere fertig.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>object is not there: expected a label of {name!r} at this time point, got {label!r}. Hover over the object to see its label.</source>
      <translation>Das Objekt ist nicht da: erwartet wird ein Label von {name!r} zu diesem Zeitpunkt, erhalten {label!r}. Zeigen Sie mit der Maus auf das Objekt, um sein Label zu sehen.</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>object {label}</source>
      <translation>Objekt {label}</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>object {label} cannot be drawn: expected a number of at most {most}, which is what {name!r} can hold. Give it a smaller number.</source>
      <translation>Objekt {label} kann nicht gezeichnet werden: erwartet wird eine Nummer von höchstens {most}, mehr fasst {name!r} nicht. Geben Sie ihm eine kleinere Nummer.</translation>
    </message>
    <message>
      <location filename="../panels/cloud_panel.py" />
      <source>object {label}: {n} points</source>
      <translation>Objekt {label}: {n} Punkte</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>off</source>
      <translation>aus</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>on all planes</source>
      <translation>auf allen Schichten</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>one image</source>
      <translation>ein Bild</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>only A, {name}</source>
      <translation>nur A, {name}</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>only B, {name}</source>
      <translation>nur B, {name}</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>only planes</source>
      <translation>nur Schichten</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>open</source>
      <translation>offen</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>percentiles</source>
      <translation>Perzentile</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>percentiles from to</source>
      <translation>Perzentile von bis</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>pixels</source>
      <translation>Pixel</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>pixels in disagreement over planes</source>
      <translation>verschiedene Pixel über Schichten</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>plane {axis} = {number}</source>
      <translation>Schicht {axis} = {number}</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>ready</source>
      <translation>bereit</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>red</source>
      <translation>Rot</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>remote …</source>
      <translation>anderer Rechner …</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>scribbles</source>
      <translation>Striche</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>second look between clicks</source>
      <translation>zweiter Blick zwischen Klicks</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>several answers</source>
      <translation>mehrere Antworten</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>share, the surest has them</source>
      <translation>teilen, der sicherste erhält sie</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>show what the model sees</source>
      <translation>zeigen, was das Modell sieht</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>size</source>
      <translation>Größe</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>smooth outline (level set)</source>
      <translation>glatter Umriss (Level-Set)</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>soft tissue</source>
      <translation>Weichteile</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>spine</source>
      <translation>Wirbelsäule</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>stroke</source>
      <translation>Schlaganfall</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>subdural</source>
      <translation>subdural</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>temporal bone</source>
      <translation>Felsenbein</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>the model</source>
      <translation>Das Modell</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>this plane</source>
      <translation>dieser Schicht</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>time points</source>
      <translation>Zeitpunkte</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>time points, planes</source>
      <translation>Zeitpunkte, Schichten</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>time {time}</source>
      <translation>Zeitpunkt {time}</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>time {time}: {after} appears</source>
      <translation>Zeit {time}: {after} erscheint</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>time {time}: {before} divides into {after}</source>
      <translation>Zeit {time}: {before} teilt sich in {after}</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>time {time}: {before} ends</source>
      <translation>Zeit {time}: {before} endet</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>time {time}: {before} goes on as {after}</source>
      <translation>Zeit {time}: {before} geht als {after} weiter</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>time {time}: {before} merge into {after}</source>
      <translation>Zeit {time}: {before} verschmelzen zu {after}</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>tls://HOST:PORT with certificates, or tcp://127.0.0.1:PORT through a tunnel.</source>
      <translation>tls://HOST:PORT mit Zertifikaten, oder tcp://127.0.0.1:PORT durch einen Tunnel.</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>to </source>
      <translation>bis </translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>to add by hand</source>
      <translation>von Hand hinzuzufügen</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>to fetch</source>
      <translation>herunterzuladen</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>tracks (Cell Tracking Challenge)</source>
      <translation>Spuren (Cell Tracking Challenge)</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>training ended before its end: {why} What it said is in {path}.</source>
      <translation>das Training endete vorzeitig: {why} Was es gemeldet hat, steht in {path}.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>volume (planes)</source>
      <translation>Volumen</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>what both say</source>
      <translation>die Schnittmenge beider Masken</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>what either say</source>
      <translation>die Vereinigung beider Masken</translation>
    </message>
    <message>
      <location filename="../panels/start_panel.py" />
      <source>what to look for, if the model takes words</source>
      <translation>wonach gesucht wird, falls das Modell Wörter annimmt</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>width </source>
      <translation>Weite </translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>words to look for</source>
      <translation>Wörter, nach denen gesucht wird</translation>
    </message>
    <message>
      <location filename="../panels/look_panel.py" />
      <source>yellow</source>
      <translation>Gelb</translation>
    </message>
    <message>
      <location filename="../panels/review_panel.py" />
      <source>{axis} = {number}: {sure:.0f} % sure</source>
      <translation>{axis} = {number}: {sure:.0f} % sicher</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>{count} masks</source>
      <translation>{count} Masken</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{count} objects taken from {name}. Click to correct.</source>
      <translation>{count} Objekte aus {name} übernommen. Klicken Sie, um zu korrigieren.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{doing}: %v of %m</source>
      <translation>{doing}: %v von %m</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{doing}: %v of %m objects</source>
      <translation>{doing}: %v von %m Objekten</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{doing}: %v of %m places</source>
      <translation>{doing}: %v von %m Stellen</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{doing}: %v of %m planes</source>
      <translation>{doing}: %v von %m Schichten</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{doing}: %v of %m time points</source>
      <translation>{doing}: %v von %m Zeitpunkten</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>{fewer:.1f} clicks fewer on your data ({before:.1f} → {after:.1f}, {n} objects held out).</source>
      <translation>{fewer:.1f} Klicks weniger auf Ihren Daten ({before:.1f} → {after:.1f}, {n} Objekte zurückgehalten).</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>{name!r} is worked on in another panel, so this one has layers of its own.</source>
      <translation>An {name!r} wird in einem anderen Bedienfeld gearbeitet, daher hat dieses eigene Ebenen.</translation>
    </message>
    <message>
      <location filename="../panels/compare_panel.py" />
      <source>{name} and truth</source>
      <translation>{name} und Referenz</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>{name} exists already. Replace it?</source>
      <translation>{name} gibt es schon. Ersetzen?</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>{name} goes on from the mask of {name2}. The next click corrects it.</source>
      <translation>{name} macht mit der Maske von {name2} weiter. Der nächste Klick korrigiert sie.</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{name} is not the image that is worked on, so it is not done. Wait until it is there, choose it as Image, or open it again from All images; Skip leaves it out.</source>
      <translation>{name} ist nicht das Bild, an dem gearbeitet wird, und daher nicht fertig. Warten Sie, bis es da ist, wählen Sie es als Bild oder öffnen Sie es neu aus Alle Bilder; mit Auslassen wird es übersprungen.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>{name} is ready at {address}.</source>
      <translation>{name} ist bereit bei {address}.</translation>
    </message>
    <message>
      <location filename="../controllers/model_loader.py" />
      <source>{name} is ready.</source>
      <translation>{name} ist bereit.</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{name} is skipped: what was done on it is not saved, but kept until the window closes. Open it from All images to go on with it.</source>
      <translation>{name} ist übersprungen: Die Arbeit daran ist nicht gespeichert, bleibt aber erhalten, bis das Fenster geschlossen wird. Unter Alle Bilder lässt sie sich fortsetzen.</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{name} is there, and the work here did not begin with it, so it is not replaced. Move it away to save the labels in its place.</source>
      <translation>{name} ist da, und die Arbeit hier hat nicht damit begonnen, darum wird die Datei nicht ersetzt. Verschieben Sie sie, um die Labels an ihrer Stelle zu speichern.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>{name} needs {needs}, which is not installed.</source>
      <translation>{name} braucht {needs}; das ist nicht installiert.</translation>
    </message>
    <message>
      <location filename="../controllers/mouse_tools.py" />
      <source>{name} takes no {tool}: choose one of {tools}, or another model.</source>
      <translation>{name} nimmt „{tool}“ nicht an: Wählen Sie {tools} oder ein anderes Modell.</translation>
    </message>
    <message>
      <location filename="../compare/pair.py" />
      <source>{name}: {error}</source>
      <translation>{name}: {error}</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>{number} of {count}</source>
      <translation>{number} von {count}</translation>
    </message>
    <message>
      <location filename="../controllers/clicks.py" />
      <source>{number} of {count} · score {score:.2f}</source>
      <translation>{number} von {count} · Güte {score:.2f}</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} box</source>
      <translation>{n} Rahmen</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} boxes</source>
      <translation>{n} Rahmen</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} click</source>
      <translation>{n} Klick</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} click suggested. Undo takes back one at a time.</source>
      <translation>{n} Klick vorgeschlagen. Rückgängig nimmt einen nach dem anderen zurück.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} click suggested; the model is content, or unsure now. Undo takes back one at a time.</source>
      <translation>{n} Klick vorgeschlagen; das Modell ist jetzt zufrieden oder unsicher. Rückgängig nimmt einen nach dem anderen zurück.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{n} click waits.</source>
      <translation>{n} Klick wartet.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} clicks</source>
      <translation>{n} Klicks</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} clicks suggested. Undo takes back one at a time.</source>
      <translation>{n} Klicks vorgeschlagen. Rückgängig nimmt einen nach dem anderen zurück.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} clicks suggested; the model is content, or unsure now. Undo takes back one at a time.</source>
      <translation>{n} Klicks vorgeschlagen; das Modell ist jetzt zufrieden oder unsicher. Rückgängig nimmt einen nach dem anderen zurück.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{n} clicks wait.</source>
      <translation>{n} Klicks warten.</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>{n} difference.</source>
      <translation>{n} Abweichung.</translation>
    </message>
    <message>
      <location filename="../storage/recovery.py" />
      <source>{n} differences.</source>
      <translation>{n} Abweichungen.</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>{n} done</source>
      <translation>{n} fertig</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>{n} finished objects to learn from.</source>
      <translation>{n} fertige Objekte, aus denen gelernt werden kann.</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{n} image with labels copied to {name}.</source>
      <translation>{n} Bild mit Labels nach {name} kopiert.</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{n} images with labels copied to {name}.</source>
      <translation>{n} Bilder mit Labels nach {name} kopiert.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} lasso</source>
      <translation>{n} Lasso</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} lassos</source>
      <translation>{n} Lassos</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>{n} more finished object is needed: {have} of {least}.</source>
      <translation>Noch {n} fertiges Objekt ist nötig: {have} von {least}.</translation>
    </message>
    <message>
      <location filename="../controllers/fine_tuning.py" />
      <source>{n} more finished objects are needed: {have} of {least}.</source>
      <translation>Noch {n} fertige Objekte sind nötig: {have} von {least}.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} more object found so far.</source>
      <translation>Bisher {n} weiteres Objekt gefunden.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} more object found.</source>
      <translation>{n} weiteres Objekt gefunden.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} more objects found so far.</source>
      <translation>Bisher {n} weitere Objekte gefunden.</translation>
    </message>
    <message>
      <location filename="../controllers/find_more.py" />
      <source>{n} more objects found.</source>
      <translation>{n} weitere Objekte gefunden.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>{n} objects are accepted.</source>
      <translation>{n} Objekte sind angenommen.</translation>
    </message>
    <message>
      <location filename="../controllers/viewer_controller.py" />
      <source>{n} objects are open again.</source>
      <translation>{n} Objekte sind wieder offen.</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{n} open image is in order, the least sure first.</source>
      <translation>{n} offenes Bild ist geordnet, das unsicherste zuerst.</translation>
    </message>
    <message>
      <location filename="../controllers/image_queue.py" />
      <source>{n} open images are in order, the least sure first.</source>
      <translation>{n} offene Bilder sind geordnet, das unsicherste zuerst.</translation>
    </message>
    <message>
      <location filename="../controllers/session_store.py" />
      <source>{n} other parts of the answer, {size:,} px, have no click: right-click on what is not meant.</source>
      <translation>{n} weitere Teile der Antwort, {size:,} px, haben keinen Klick: Klicken Sie rechts auf das, was nicht gemeint ist.</translation>
    </message>
    <message>
      <location filename="../layers/labels_layer.py" />
      <source>{n} pixel is protected and put back: locked objects keep theirs, and nothing is written outside a region. Unlock the object, or switch the limit off.</source>
      <translation>{n} Pixel ist geschützt und wurde zurückgesetzt: Gesperrte Objekte behalten die ihren, und außerhalb eines Bereichs wird nichts geschrieben. Entsperren Sie das Objekt oder heben Sie die Begrenzung auf.</translation>
    </message>
    <message>
      <location filename="../layers/labels_layer.py" />
      <source>{n} pixels are protected and put back: locked objects keep theirs, and nothing is written outside a region. Unlock the object, or switch the limit off.</source>
      <translation>{n} Pixel sind geschützt und wurden zurückgesetzt: Gesperrte Objekte behalten die ihren, und außerhalb eines Bereichs wird nichts geschrieben. Entsperren Sie das Objekt oder heben Sie die Begrenzung auf.</translation>
    </message>
    <message>
      <location filename="../panels/protect_panel.py" />
      <source>{n} pixels of object {label}</source>
      <translation>{n} Pixel von Objekt {label}</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>{n} plane</source>
      <translation>{n} Schicht</translation>
    </message>
    <message>
      <location filename="../compare/controller.py" />
      <source>{n} planes</source>
      <translation>{n} Schichten</translation>
    </message>
    <message>
      <location filename="../layers/points_codec.py" />
      <source>{n} point lies outside the image and cannot be used. Move or delete it.</source>
      <translation>{n} Punkt liegt außerhalb des Bildes und kann nicht verwendet werden. Verschieben oder löschen Sie ihn.</translation>
    </message>
    <message>
      <location filename="../layers/points_codec.py" />
      <source>{n} points lie outside the image and cannot be used. Move or delete them.</source>
      <translation>{n} Punkte liegen außerhalb des Bildes und können nicht verwendet werden. Verschieben oder löschen Sie sie.</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} scribble</source>
      <translation>{n} Strich</translation>
    </message>
    <message>
      <location filename="../controllers/object_actions.py" />
      <source>{n} scribbles</source>
      <translation>{n} Striche</translation>
    </message>
    <message>
      <location filename="../layers/points_codec.py" />
      <source>{n} shape lies outside the image and cannot be used. Move or delete it.</source>
      <translation>{n} Form liegt außerhalb des Bildes und kann nicht verwendet werden. Verschieben oder löschen Sie sie.</translation>
    </message>
    <message>
      <location filename="../layers/points_codec.py" />
      <source>{n} shapes lie outside the image and cannot be used. Move or delete them.</source>
      <translation>{n} Formen liegen außerhalb des Bildes und können nicht verwendet werden. Verschieben oder löschen Sie sie.</translation>
    </message>
    <message>
      <location filename="../qt/open_scan.py" />
      <source>{n} time points</source>
      <translation>{n} Zeitpunkte</translation>
    </message>
    <message>
      <location filename="../panels/image_panel.py" />
      <source>{seconds:.0f} s each</source>
      <translation>je {seconds:.0f} s</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>{sign} left click: {meaning}.</source>
      <translation>{sign} Linksklick: {meaning}.</translation>
    </message>
    <message>
      <location filename="../panels/prompt_panel.py" />
      <source>{sign} right click, or {modifier} + left click: {meaning}.</source>
      <translation>{sign} Rechtsklick oder {modifier} + Linksklick: {meaning}.</translation>
    </message>
    <message>
      <location filename="../controllers/propagation.py" />
      <source>{some} of {count} objects propagated, {planes} in all.</source>
      <translation>{some} von {count} Objekten ausgebreitet, insgesamt {planes}.</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>{title} cannot be asked like that: expected {rule}, got {words!r}. Change what stands under Words.</source>
      <translation>{title} kann so nicht gefragt werden: erwartet {rule}, erhalten {words!r}. Ändern Sie, was unter „Wörter“ steht.</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>{title} found nothing.</source>
      <translation>{title} hat nichts gefunden.</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>{title} found {count} objects so far.</source>
      <translation>{title} hat bisher {count} Objekte gefunden.</translation>
    </message>
    <message>
      <location filename="../controllers/automatic_start.py" />
      <source>{title} found {count} objects.</source>
      <translation>{title} hat {count} Objekte gefunden.</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>{title} – needs the extra {extra!r}</source>
      <translation>{title} – braucht das Extra {extra!r}</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>{title} – weights to fetch or add</source>
      <translation>{title} – Gewichte fehlen noch</translation>
    </message>
    <message>
      <location filename="../panels/model_panel.py" />
      <source>{title} – {size} to fetch or add</source>
      <translation>{title} – {size} fehlen noch</translation>
    </message>
    <message>
      <location filename="../layers/labels_layer.py" />
      <source>{title}: done by hand.</source>
      <translation>{title}: von Hand ausgeführt.</translation>
    </message>
    <message>
      <location filename="../controllers/review.py" />
      <source>{tracks} tracks. Divisions: {divisions}, merges: {merges}, appear: {new}, end: {ended}. The tip of the button lists them.</source>
      <translation>{tracks} Spuren. Teilungen: {divisions}, Verschmelzungen: {merges}, erscheinen: {new}, enden: {ended}. Der Tipp der Schaltfläche listet sie auf.</translation>
    </message>
    <message>
      <location filename="../panels/disk_panel.py" />
      <source>{used} of {limit} in {folder}</source>
      <translation>{used} von {limit} in {folder}</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{where}: answered in {ms:.0f} ms.</source>
      <translation>{where}: in {ms:.0f} ms beantwortet.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{where}: answered in {s:.1f} s.</source>
      <translation>{where}: in {s:.1f} s beantwortet.</translation>
    </message>
    <message>
      <location filename="../panels/status_panel.py" />
      <source>{why}, so work on it has ended. Open an image to begin.</source>
      <translation>{why}, die Arbeit daran ist damit beendet. Öffnen Sie ein Bild, um zu beginnen.</translation>
    </message>
    <message>
      <location filename="../controllers/image_controller.py" />
      <source>{why}, so work on it has ended. Press New object to start again.</source>
      <translation>{why}, die Arbeit daran ist damit beendet. Drücken Sie „Neues Objekt“, um neu zu beginnen.</translation>
    </message>
  </context>
  <context>
    <name>napari-intseg engine</name>
    <message>
      <location filename="../messages.py" />
      <source>1 more extreme point</source>
      <translation>noch 1 Extrempunkt</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Add clicks</source>
      <translation>Klicks hinzufügen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Add lasso</source>
      <translation>Lasso hinzufügen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Add scribble</source>
      <translation>Strich hinzufügen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>COCO cannot hold these labels: expected one plane, got shape {shape}. Write .geojson, .tif or .nii.gz instead, or save one plane.</source>
      <translation>COCO kann diese Labels nicht aufnehmen: erwartet wird eine Schicht, erhalten Größe {shape}. Schreiben Sie .geojson, .tif oder .nii.gz, oder speichern Sie eine einzelne Schicht.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Change detail</source>
      <translation>Detailgrad ändern</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Change lasso</source>
      <translation>Lasso ändern</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Change prompts</source>
      <translation>Eingaben ändern</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Change protection</source>
      <translation>Schutz ändern</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Change scribble</source>
      <translation>Strich ändern</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Choose mask</source>
      <translation>Maske wählen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Clean up</source>
      <translation>Bereinigen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Click on the object, and beside it where the answer is too large.</source>
      <translation>Klicken Sie auf das Objekt, und daneben, wo die Antwort zu groß ist.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Click the four extreme points of the object: top, bottom, left and right, in any order. Further ones refine the answer.</source>
      <translation>Klicken Sie auf die vier äußersten Punkte des Objekts: oben, unten, links und rechts, in beliebiger Folge. Weitere verfeinern die Antwort.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Draw a box round the object, then click inside it; further clicks correct.</source>
      <translation>Ziehen Sie einen Rahmen um das Objekt und klicken Sie dann hinein; weitere Klicks korrigieren.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Draw a box round the object; it need not be tight.</source>
      <translation>Ziehen Sie einen Rahmen um das Objekt; er muss nicht eng sein.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Drop painted pixels</source>
      <translation>Gemalte Pixel verwerfen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Edit outline</source>
      <translation>Umriss ändern</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Erase</source>
      <translation>Radieren</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Find more</source>
      <translation>Ähnliche suchen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Finish object</source>
      <translation>Objekt annehmen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Follow through time</source>
      <translation>Durch die Zeit verfolgen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Link through time</source>
      <translation>Durch die Zeit verknüpfen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Lock object</source>
      <translation>Objekt sperren</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Mark the object by {kinds}; combine them as you like.</source>
      <translation>Markieren Sie das Objekt durch {kinds}; beliebig kombinierbar.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Merge objects</source>
      <translation>Objekte vereinigen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Move click</source>
      <translation>Klick verschieben</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Negative click</source>
      <translation>negativer Klick</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>New object</source>
      <translation>Neues Objekt</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>PNG cannot hold these labels: expected one plane with labels up to 65535, got shape {shape} up to {highest}. Write .tif or .nii.gz instead, or a file for each plane with a name like labels_%03d.png.</source>
      <translation>PNG kann diese Labels nicht aufnehmen: erwartet wird eine Schicht mit Labels bis 65535, erhalten Größe {shape} bis {highest}. Schreiben Sie .tif oder .nii.gz, oder eine Datei je Schicht mit einem Namen wie labels_%03d.png.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Paint</source>
      <translation>Malen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Positive click</source>
      <translation>positiver Klick</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Propagate</source>
      <translation>Ausbreiten</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Propagate all</source>
      <translation>Alle ausbreiten</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Redo {title} of object {label}</source>
      <translation>{title} bei Objekt {label} wiederholen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Remove box</source>
      <translation>Rahmen entfernen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Remove click</source>
      <translation>Klick entfernen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Remove clicks</source>
      <translation>Klicks entfernen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Renumber object</source>
      <translation>Nummer ändern</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Reopen object</source>
      <translation>Objekt wieder öffnen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Set box</source>
      <translation>Rahmen setzen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Set initial mask</source>
      <translation>Anfangsmaske setzen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Share corrections</source>
      <translation>Korrekturen teilen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Split object</source>
      <translation>Objekt teilen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Suggested click</source>
      <translation>Vorgeschlagener Klick</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Take objects</source>
      <translation>Objekte übernehmen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Take over pixels</source>
      <translation>Pixel übernehmen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Undo {title} of object {label}</source>
      <translation>{title} bei Objekt {label} zurück</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>Unlock object</source>
      <translation>Objekt entsperren</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>a box round the object</source>
      <translation>ein Rahmen um das Objekt</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>a box round the object and a click inside the box</source>
      <translation>ein Rahmen um das Objekt und ein Klick hinein</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>a click inside the box</source>
      <translation>ein Klick in den Rahmen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>a positive click</source>
      <translation>ein positiver Klick</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>answered in 3-D: 1 plane</source>
      <translation>in 3D beantwortet: 1 Ebene</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>answered in 3-D: {n} planes</source>
      <translation>in 3D beantwortet: {n} Ebenen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>clicks or a box round it</source>
      <translation>Klicks oder einen Rahmen</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>clicks or scribbles</source>
      <translation>Klicks oder Striche</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>clicks, a box round it or scribbles</source>
      <translation>Klicks, einen Rahmen oder Striche</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>clicks, a box round it, scribbles or lassos</source>
      <translation>Klicks, einen Rahmen, Striche oder Lassos</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>data is empty: expected at least one pixel along each axis, got shape {shape} in {path}. Open another image.</source>
      <translation>Die Daten sind leer: erwartet wird mindestens ein Pixel entlang jeder Achse, erhalten Größe {shape} in {path}. Öffnen Sie ein anderes Bild.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>data is not numeric: expected bool, integer or float, got {dtype} in {path}. Convert it first.</source>
      <translation>Die Daten sind keine Zahlen: erwartet werden Wahrheitswerte, ganze Zahlen oder Gleitkommazahlen, erhalten {dtype} in {path}. Wandeln Sie sie zuerst um.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file cannot be read: expected a video, got {what} in {path}. Check that it is complete and of the type that its name says.</source>
      <translation>Die Datei kann nicht gelesen werden: erwartet wird ein Video, erhalten {what} in {path}. Prüfen Sie, ob sie vollständig ist und von der Art, die ihr Name nennt.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file cannot be read: expected an image, got {path} ({reason}). Check that it is complete and of the type that its name says.</source>
      <translation>Die Datei kann nicht gelesen werden: erwartet wird ein Bild, erhalten {path} ({reason}). Prüfen Sie, ob sie vollständig ist und von der Art, die ihr Name nennt.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file cannot be read: expected pixels, got a damaged piece in {path} ({reason}). Check that it is complete.</source>
      <translation>Die Datei kann nicht gelesen werden: erwartet werden Pixel, erhalten ein beschädigter Teil in {path} ({reason}). Prüfen Sie, ob sie vollständig ist.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file cannot be written: expected a folder that allows it, got {path} ({reason}). Change its permissions, or choose another folder. What was there before is there still.</source>
      <translation>Die Datei kann nicht geschrieben werden: erwartet wird ein Ordner, der es erlaubt, erhalten {path} ({reason}). Ändern Sie seine Rechte oder wählen Sie einen anderen Ordner. Was vorher da war, ist noch da.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file cannot be written: expected room for it, got {path} ({reason}). Free some space, or choose another folder. What was there before is there still.</source>
      <translation>Die Datei kann nicht geschrieben werden: erwartet wird Platz für sie, erhalten {path} ({reason}). Schaffen Sie Platz oder wählen Sie einen anderen Ordner. Was vorher da war, ist noch da.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file has more axes than a volume: expected planes, rows, columns and channels, got axes {axes} of shape {shape} in {path}. Save one volume to its own file.</source>
      <translation>Die Datei hat mehr Achsen als ein Volumen: erwartet werden Schichten, Zeilen, Spalten und Kanäle, erhalten die Achsen {axes} der Größe {shape} in {path}. Speichern Sie ein einzelnes Volumen in einer eigenen Datei.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file has more axes than a volume: expected time, channel, plane, row and column once each, got axes {axes} of shape {shape} in {path}. Save one volume to its own file.</source>
      <translation>Die Datei hat mehr Achsen als ein Volumen: erwartet werden Zeit, Kanal, Schicht, Zeile und Spalte je einmal, erhalten die Achsen {axes} der Größe {shape} in {path}. Speichern Sie ein einzelnes Volumen in einer eigenen Datei.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file has too many channels: expected at most {most}, each of which is a layer, got {count} in {path}. Save some of them to a file of their own.</source>
      <translation>Die Datei hat zu viele Kanäle: erwartet werden höchstens {most}, jeder eine Ebene, erhalten {count} in {path}. Speichern Sie einige davon in einer eigenen Datei.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file is missing: expected an image, got {path}. Check the path.</source>
      <translation>Die Datei fehlt: erwartet wird ein Bild, erhalten {path}. Prüfen Sie den Pfad.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file type cannot hold labels: expected a name ending in {endings}, got {path}. Choose another name.</source>
      <translation>Diese Art von Datei kann keine Labels aufnehmen: erwartet wird ein Name mit einer der Endungen {endings}, erhalten {path}. Wählen Sie einen anderen Namen.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file type is unknown: expected a name ending in {endings}, got {path}. Choose another name.</source>
      <translation>Diese Art von Datei ist unbekannt: erwartet wird ein Name mit einer der Endungen {endings}, erhalten {path}. Wählen Sie einen anderen Namen.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>file type is unknown: expected a name ending in {endings}, or a folder with a DICOM series, got {path}. Convert the image first.</source>
      <translation>Diese Art von Datei ist unbekannt: erwartet wird ein Name mit einer der Endungen {endings} oder ein Ordner mit einer DICOM-Serie, erhalten {path}. Wandeln Sie das Bild zuerst um.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>folder is missing: expected an existing folder, got {path}. Make it first.</source>
      <translation>Der Ordner fehlt: erwartet wird ein vorhandener Ordner, erhalten {path}. Legen Sie ihn zuerst an.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>half precision gave no numbers: computed in float32</source>
      <translation>halbe Genauigkeit ergab keine Zahlen: in float32 gerechnet</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>it grew {amount}</source>
      <translation>es wuchs {amount}</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>it grew {amount} beyond what its outline can have reached</source>
      <translation>es wuchs {amount} über das hinaus, was sein Umriss erreicht haben kann</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>journal cannot be written: expected a folder that allows it, got {path} ({reason}). The labels are there; save them to another folder to have both.</source>
      <translation>Das Protokoll kann nicht geschrieben werden: erwartet wird ein Ordner, der es erlaubt, erhalten {path} ({reason}). Die Labels sind da; speichern Sie sie in einem anderen Ordner, um beides zu haben.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>layer has more axes than a series: expected time, planes, rows and columns, got shape {shape}. Split it first (Layers › Split stack), and save one at a time.</source>
      <translation>Die Ebene hat mehr Achsen als eine Serie: erwartet werden Zeit, Schichten, Zeilen und Spalten, erhalten Größe {shape}. Teilen Sie sie zuerst (Layers › Split stack) und speichern Sie eine nach der anderen.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>memory ran out: computed {how}</source>
      <translation>der Speicher ging aus: {how} gerechnet</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>not started from plane {plane}: {why}</source>
      <translation>nicht begonnen bei Schicht {plane}: {why}</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>object {label}: {why}</source>
      <translation>Objekt {label}: {why}</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>output is an input: expected another file than those that are read, got {path}, which is or belongs to {input}. Choose another name; what is read is never replaced.</source>
      <translation>Die Ausgabe ist eine Eingabe: erwartet wird eine andere Datei als die gelesenen, erhalten {path}, die zu {input} gehört oder es ist. Wählen Sie einen anderen Namen; was gelesen wird, wird nie ersetzt.</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>stopped at plane {plane}: {why}</source>
      <translation>angehalten bei Schicht {plane}: {why}</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>the answer jumped to something else</source>
      <translation>die Antwort sprang auf etwas anderes über</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>the mask there covers the slice</source>
      <translation>die Maske dort bedeckt die Schicht</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>the mask there does not fit those of the other clicked planes</source>
      <translation>die Maske dort passt nicht zu denen der anderen angeklickten Schichten</translation>
    </message>
    <message>
      <location filename="../messages.py" />
      <source>{n} more extreme points</source>
      <translation>noch {n} Extrempunkte</translation>
    </message>
  </context>
  <context>
    <name>QPlatformTheme</name>
    <message>
      <location filename="../qt/translation.py" />
      <source>&amp;No</source>
      <translation>&amp;Nein</translation>
    </message>
    <message>
      <location filename="../qt/translation.py" />
      <source>&amp;Yes</source>
      <translation>&amp;Ja</translation>
    </message>
    <message>
      <location filename="../qt/translation.py" />
      <source>Cancel</source>
      <translation>Abbrechen</translation>
    </message>
    <message>
      <location filename="../qt/translation.py" />
      <source>OK</source>
      <translation>OK</translation>
    </message>
    <message>
      <location filename="../qt/translation.py" />
      <source>Open</source>
      <translation>Öffnen</translation>
    </message>
    <message>
      <location filename="../qt/translation.py" />
      <source>Save</source>
      <translation>Speichern</translation>
    </message>
  </context>
</TS>
